package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness/lab/kind"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

func (a *app) down() *cobra.Command {
	var stale bool
	c := &cobra.Command{
		Use:   "down [NAME]...",
		Short: "Remove kind clusters: those of runs that were killed, or kept ones by name",
		Example: `  faultline down --stale                          # what runs have left behind that were killed
  faultline down faultline-macvlan-calico-1a2b    # a cluster that --keep has kept`,
		Args: func(_ *cobra.Command, names []string) error {
			if stale == (len(names) > 0) {
				return errors.New("down wants --stale, or names of clusters, for example: faultline down faultline-macvlan-calico-1a2b")
			}
			return nil
		},
		RunE: func(c *cobra.Command, names []string) error {
			if err := a.checkCache(); err != nil {
				return err
			}
			o := kind.Options{Cache: a.cache, Engine: os.Getenv(engine.Variable)}
			for _, name := range names {
				if err := kind.Remove(c.Context(), o, name); err != nil {
					return placed(err)
				}
				fmt.Fprintln(a.stdout, name+": removed")
			}
			if !stale {
				return nil
			}
			removed, err := kind.RemoveStale(c.Context(), o)
			for _, r := range removed {
				if r.Left == "" {
					fmt.Fprintln(a.stdout, r.Name+": removed")
				} else {
					fmt.Fprintln(a.stdout, r.Name+": left alone, "+r.Left)
				}
			}
			if err != nil {
				return placed(err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&stale, "stale", false, "remove all clusters of faultline's whose run is gone")
	return c
}
