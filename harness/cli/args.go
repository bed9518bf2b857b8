package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// one wants exactly one argument, what, and shows an example to whoever gives none or several.
func one(what, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0, len(args) == 1 && args[0] == "":
			return fmt.Errorf("%s wants the %s, for example: %s", c.Name(), what, example)
		case len(args) > 1:
			return fmt.Errorf("%s wants one %s, not %d: %s", c.Name(), what, len(args), example)
		}
		return nil
	}
}

// oneOf wants exactly one of the command's valid arguments.
func oneOf(what, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := one(what, example)(c, args); err != nil {
			return err
		}
		if err := cobra.OnlyValidArgs(c, args); err != nil {
			return fmt.Errorf("unknown %s %q: %s", what, args[0], yamlfile.Suggest(args[0], c.ValidArgs))
		}
		return nil
	}
}

// subcommand refuses words that name no subcommand.
func subcommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var have []string
	for _, sub := range c.Commands() {
		have = append(have, sub.Name())
	}
	return fmt.Errorf("unknown command %q for %q: %s", args[0], c.CommandPath(), yamlfile.Suggest(args[0], have))
}

// unknownFlag says of a flag that c does not have which one may be meant.
func unknownFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedShortnames()) > 0 {
		return err
	}
	var have []string
	c.Flags().VisitAll(func(f *pflag.Flag) { have = append(have, "--"+f.Name) })
	return fmt.Errorf("%w: %s", err, yamlfile.Suggest("--"+unknown.GetSpecifiedName(), have))
}

// strict makes the commands that cobra adds by itself, and the program without a command, refuse what they do not know.
func strict(root *cobra.Command) {
	root.Args = subcommand
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	root.SetFlagErrorFunc(unknownFlag)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args = subcommand
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if c, rest, err := root.Find(args); err != nil || c.HasSubCommands() {
					return errors.Join(err, subcommand(c, rest))
				}
				return nil
			}
		}
	}
}

// directory refuses what is no directory and cannot become one. One that is there need not be writable, unless written
// says that files will be written to it.
func directory(flag, dir string, written bool) error {
	at, err := filepath.Abs(dir)
	if err != nil || dir == "" {
		return fmt.Errorf("%s %q: want a directory", flag, dir)
	}
	for whole := at; ; at = filepath.Dir(at) {
		st, err := os.Stat(at)
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
			continue // it will be made, if what is above it is a directory
		case err != nil:
			return fmt.Errorf("%s %s: %w", flag, dir, err)
		case !st.IsDir():
			return fmt.Errorf("%s %s: %s is not a directory", flag, dir, at)
		case at == whole && !written:
			return nil
		}
		if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
			return fmt.Errorf("%s %s: write to %s: %w", flag, dir, at, err)
		}
		return room(flag+" "+dir, at)
	}
}

// room makes sure that a directory can be made in at, which a file system such as /proc says and does not keep.
func room(what, at string) error {
	made, err := os.MkdirTemp(at, ".faultline-")
	if err != nil {
		return fmt.Errorf("%s: no directory can be made in %s: %w", what, at, errors.Unwrap(err))
	}
	return os.Remove(made)
}
