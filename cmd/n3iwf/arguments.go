// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// explainArguments makes the errors about arguments of c, and of all commands below it, name those that are missing and say how the command is used.
func explainArguments(c *cobra.Command) {
	for _, sub := range c.Commands() {
		explainArguments(sub)
	}
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			return nil
		}
		usage := strings.TrimSpace(strings.TrimSuffix(cmd.UseLine(), "[flags]"))
		if missing := required(cmd)[min(len(args), len(required(cmd))):]; len(missing) == 1 {
			return fmt.Errorf("%s is missing; usage: %s", missing[0], usage)
		} else if len(missing) > 1 {
			return fmt.Errorf("%s are missing; usage: %s", strings.Join(missing, " and "), usage)
		}
		return fmt.Errorf("%w; usage: %s", err, usage)
	}
}

// required are the arguments of a command that have to be there, as its usage names them: flags begin with a dash, and take the word behind them.
func required(c *cobra.Command) (names []string) {
	words := strings.Fields(c.Use)[1:]
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case strings.HasPrefix(w, "-"):
			i++
		case !strings.HasPrefix(w, "["):
			names = append(names, w)
		}
	}
	return names
}
