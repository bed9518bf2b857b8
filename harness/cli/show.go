package cli

import (
	"errors"
	"fmt"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/scenarios"
	"github.com/faultline-lab/faultline/topologies"
)

func (a *app) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the scenarios and topologies that the binary carries",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "SCENARIO\tTOPOLOGY\tTITLE")
			for _, name := range scenarios.List() {
				all, err := readExperiments(name)
				if err != nil {
					return usage(err)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", name, all[0].scenario.Topology, all[0].scenario.Title)
				for _, exp := range all {
					if exp.scenario.Variant != "" {
						fmt.Fprintf(w, "  %s\t%s\t%s\n", exp.scenario.Variant, exp.scenario.Topology, exp.scenario.Says)
					}
				}
			}
			fmt.Fprintln(w, "\nTOPOLOGY\tNODES\tTITLE")
			for _, name := range topologies.List() {
				top, err := readTopology(name, nil)
				if err != nil {
					return usage(err)
				}
				fmt.Fprintf(w, "%s\t%d\t%s\n", name, len(top.Nodes), top.Title)
			}
			return w.Flush()
		},
	}
}

func completeScenarios(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return scenarios.List(), cobra.ShellCompDirectiveDefault
}

// readTopology parses a topology by name or path.
func readTopology(name string, set map[string]string) (*topology.Topology, error) {
	src, err := topologySource(name, ".")
	if err != nil {
		return nil, err
	}
	if err := src.isTopology(); err != nil {
		return nil, err
	}
	return topology.Parse(src.name, src.text, set)
}

func (a *app) plan() *cobra.Command {
	var pairs []string
	c := &cobra.Command{
		Use:   "plan TOPOLOGY|FILE",
		Short: "Print the steps that build a topology, as a shell script that runs without faultline",
		Example: `  faultline plan edge-ipsec
  faultline plan edge-ipsec | sudo sh              # the same network, in named namespaces
  faultline plan submariner-ovn --set cable=vxlan  # an option of one of its choices; the default is the first`,
		Args: one("name or file of a topology", "faultline plan edge-ipsec"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return topologies.List(), cobra.ShellCompDirectiveDefault
		},
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := settings(pairs)
			if err != nil {
				return err
			}
			top, err := readTopology(args[0], set)
			if err != nil {
				return usage(err)
			}
			p, err := plan.Compile(top)
			if err != nil {
				return usage(err)
			}
			_, err = fmt.Fprint(a.stdout, p.Script())
			return err
		},
	}
	c.Flags().StringArrayVar(&pairs, "set", nil, "a setting of the topology as PATH=VALUE (repeatable)")
	return c
}

func (a *app) validate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check scenario and topology files, every mistake at once",
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("validate wants files, for example: faultline validate scenario.yaml topology.yaml")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			bad := 0
			for _, path := range args {
				if err := validateFile(path); err != nil {
					bad++
					a.complain(err)
					continue
				}
				fmt.Fprintf(a.stdout, "%s: ok\n", path)
			}
			if bad > 0 {
				return &exit{ExitUsage, errSaid}
			}
			return nil
		},
	}
}

// validateFile checks one file: a topology is told by its first key, anything else must be a scenario, which is
// checked together with its topology.
func validateFile(path string) error {
	src, err := readFile(path)
	if err != nil {
		return err
	}
	if topology.Is(src.text) {
		top, err := topology.Parse(src.name, src.text, nil)
		if err != nil {
			return err
		}
		for _, way := range top.Alternatives() {
			if top, err = topology.Parse(src.name, src.text, way); err != nil {
				return err
			}
			if _, err := plan.Compile(top); err != nil {
				return err
			}
		}
		return nil
	}
	all, err := parseExperiments(src)
	if err != nil {
		return err
	}
	for _, exp := range all {
		trial := &harness.Trial{Scenario: exp.scenario, Topology: exp.parseTopology}
		if _, err := trial.Prepare(); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) schema() *cobra.Command {
	return &cobra.Command{
		Use:       "schema topology|scenario",
		Short:     "Print the JSON Schema of the files, for editors",
		Args:      oneOf("language", "faultline schema scenario"),
		ValidArgs: []string{"topology", "scenario"},
		RunE: func(_ *cobra.Command, args []string) error {
			text := topology.Schema()
			if args[0] == "scenario" {
				text = scenario.Schema()
			}
			_, err := a.stdout.Write(text)
			return err
		},
	}
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "%s, %s, kube-proxy %s by default\n", program(), runtime.Version(), topology.DefaultKubeProxy)
			return err
		},
	}
}
