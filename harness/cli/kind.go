package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
	"github.com/faultline-lab/faultline/harness/lab/kind/image"
)

func (a *app) kind() *cobra.Command {
	c := &cobra.Command{
		Use:   "kind",
		Short: "Make what clusters of kind need",
		Args:  subcommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.kindImage())
	return c
}

func (a *app) kindImage() *cobra.Command {
	var version, mirror string
	var check bool
	c := &cobra.Command{
		Use:   "image",
		Short: "Make the node image, where no image registry can be reached",
		Long: `image makes a node image for kind out of Debian packages and Go modules, each pinned by checksum, puts it into Docker or
Podman and prints its tag. An image that is there is not made again. It needs one of them, debootstrap and go, but no root
beside what Docker's daemon has; from nothing about 10 GB of disk and some minutes, for what is made is kept in the cache.

--check makes nothing and needs neither: it says what would have to be made, and exits 3 if that is more than to put
together what is in the cache, which is a matter of seconds.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkCache(); err != nil {
				return err
			}
			b := image.Builder{Cache: a.cache, Engine: os.Getenv(engine.Variable), Mirror: mirror, Progress: func(line string) { fmt.Fprintln(a.stderr, line) }}
			if check {
				return a.checkImage(c.Context(), &b, version)
			}
			return a.makeImage(c.Context(), &b, version)
		},
	}
	c.Flags().StringVar(&version, "kubernetes", image.DefaultVersion, "version of Kubernetes: "+strings.Join(image.Versions(), ", "))
	c.Flags().BoolVar(&check, "check", false, "only say whether the image, or all that it is made of, is there")
	c.Flags().StringVar(&mirror, "mirror", "", "URL of a Debian mirror (default: the one that apt has here)")
	_ = c.RegisterFlagCompletionFunc("kubernetes", cobra.FixedCompletions(image.Versions(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// checkImage prints the tag of the image if it is there, or if its stages are.
func (a *app) checkImage(ctx context.Context, b *image.Builder, version string) error {
	tag, missing, err := b.Missing(ctx, version)
	if err == nil && len(missing) > 0 {
		return &exit{ExitUnsupported, fmt.Errorf("node image %s is neither made nor in the cache %s: %s would have to be made first, which takes minutes: faultline kind image",
			tag, b.Cache, strings.Join(missing, ", "))}
	}
	return a.saidImage(tag, err)
}

func (a *app) makeImage(ctx context.Context, b *image.Builder, version string) error {
	return a.saidImage(b.Image(ctx, version))
}

// saidImage prints the tag, or gives the error its exit code.
func (a *app) saidImage(tag string, err error) error {
	switch {
	case errors.Is(err, image.ErrNoSuchVersion):
		return &exit{ExitUsage, err}
	case errors.Is(err, lab.ErrUnsupported):
		return &exit{ExitUnsupported, err}
	case err != nil:
		return &exit{ExitBroken, err}
	}
	_, err = fmt.Fprintln(a.stdout, tag)
	return err
}
