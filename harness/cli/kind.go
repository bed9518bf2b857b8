package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness/lab"
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
	c := &cobra.Command{
		Use:   "image",
		Short: "Make the node image, where no image registry can be reached",
		Long: `image makes a node image for kind out of Debian packages and Go modules, each pinned by checksum, puts it into Docker and
prints its tag. An image that is there is not made again. It needs docker, debootstrap and go, but no root beside what
Docker's daemon has; from nothing about 10 GB of disk and some minutes, for what is made is kept in the cache.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkCache(); err != nil {
				return err
			}
			b := image.Builder{Cache: a.cache, Mirror: mirror, Progress: func(line string) { fmt.Fprintln(a.stderr, line) }}
			return a.makeImage(c.Context(), &b, version)
		},
	}
	c.Flags().StringVar(&version, "kubernetes", image.DefaultVersion, "version of Kubernetes: "+strings.Join(image.Versions(), ", "))
	c.Flags().StringVar(&mirror, "mirror", "", "URL of a Debian mirror (default: the one that apt has here)")
	_ = c.RegisterFlagCompletionFunc("kubernetes", cobra.FixedCompletions(image.Versions(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) makeImage(ctx context.Context, b *image.Builder, version string) error {
	tag, err := b.Image(ctx, version)
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
