// Faultline is a reproducible lab for Kubernetes data-path failures. See README.md.
package main

import (
	"os"

	"github.com/faultline-lab/faultline/harness/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
