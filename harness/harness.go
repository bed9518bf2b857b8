// Package harness runs the experiment.
package harness
