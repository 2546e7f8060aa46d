// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/config/free5gc"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Turn the configuration file of another N3IWF into one for this program",
	}
	var out string
	from := &cobra.Command{
		Use:   "free5gc FILE",
		Short: "Translate free5GC's n3iwfcfg.yaml, in either spelling of its keys; what could not be carried over is named on standard error",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return importFree5GC(cmd, args[0], out)
		},
	}
	from.Flags().StringVarP(&out, "output", "o", "", "write to `FILE`, which must not exist, instead of standard output")
	cmd.AddCommand(from)
	return cmd
}

func importFree5GC(cmd *cobra.Command, file, out string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w; name the n3iwfcfg.yaml to translate", err)
	}
	result, err := free5gc.Import(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	name := "n3iwf.yaml"
	if out == "" {
		fmt.Fprint(cmd.OutOrStdout(), string(result.YAML))
	} else {
		name = out
		if err := writeNew(out, result.YAML, 0o644); err != nil {
			return err
		}
	}
	stderr := cmd.ErrOrStderr()
	for _, n := range result.Notes {
		fmt.Fprintf(stderr, "%s: %s\n", file, n)
	}
	// What is wrong with the result is told here as well, but it is no failure: certificates are often put in place later.
	if _, err := config.Parse(name, result.YAML); err != nil {
		fmt.Fprintf(stderr, "still to be mended in the result:\n%v\n", err)
	}
	return nil
}

// writeNew makes a file and never overwrites one.
func writeNew(name string, text []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists; remove it or name another file", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
