package lab

import "context"

type progressKey struct{}

// WithProgress returns a ctx whose Up tells tell, a line at a time, what takes long about its lab as long as that lab is
// up. A runtime whose labs share the place that tells does not know whose line it is, and tells all in its own way.
func WithProgress(ctx context.Context, tell func(line string)) context.Context {
	return context.WithValue(ctx, progressKey{}, tell)
}

// Progress is whom ctx's Up tells, or otherwise where ctx names nobody.
func Progress(ctx context.Context, otherwise func(line string)) func(line string) {
	if tell, ok := ctx.Value(progressKey{}).(func(string)); ok {
		return tell
	}
	return otherwise
}
