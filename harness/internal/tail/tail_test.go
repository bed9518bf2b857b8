package tail

import "testing"

func TestBufferKeepsTheEnd(t *testing.T) {
	b := Buffer{Limit: 20}
	for range 10 {
		if n, err := b.Write([]byte("line of text\r\n")); n != 14 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := b.String(); got != "text\r\nline of text\r\n" {
		t.Errorf("kept %q", got)
	}
}
