package agent

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// stream makes a net.Conn of a byte stream: package ssh asks for one, and reads, writes and closes it.
type stream struct{ io.ReadWriteCloser }

var _ net.Conn = stream{}

func (stream) LocalAddr() net.Addr              { return address{} }
func (stream) RemoteAddr() net.Addr             { return address{} }
func (stream) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (stream) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (stream) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// address is the address of both ends of a stream.
type address struct{}

func (address) Network() string { return "stream" }
func (address) String() string  { return "agent" }

// algorithms leaves one choice of each kind: what costs a guest under emulation the least. Secrecy is not needed here, and
// package ssh has no way to do without. Measured with QEMU 7.2's TCG (-cpu max), both ends emulated: ChaCha20-Poly1305
// carries 97 MB/s, AES-CTR 38 and AES-GCM, whose instructions TCG calls a helper for, 20; natively it is 420 against 1100
// of AES-GCM, more than a port gives. X25519 with an Ed25519 key shakes hands in 3 ms, P-256 in 4, and the default, which
// adds ML-KEM, in 4 as well.
func algorithms() ssh.Config {
	return ssh.Config{
		KeyExchanges: []string{ssh.KeyExchangeCurve25519},
		Ciphers:      []string{ssh.CipherChaCha20Poly1305},
	}
}

// serverConfig has a host key that lives as long as the stream.
func serverConfig() (*ssh.ServerConfig, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	config := &ssh.ServerConfig{Config: algorithms(), NoClientAuth: true}
	config.AddHostKey(signer)
	return config, nil
}

func clientConfig() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		Config: algorithms(),
		// The stream is a socket pair or a port of our own guest, private to the two processes: there is nobody to
		// tell apart, and the key is made anew for each stream.
		HostKeyCallback:   ssh.InsecureIgnoreHostKey(),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	}
}
