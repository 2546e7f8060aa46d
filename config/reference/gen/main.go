// SPDX-License-Identifier: Apache-2.0

// Command gen writes config/n3iwf.schema.json and docs/configuration.md from the types of package config. It is run by
// go generate in the folder of package config.
package main

import (
	"fmt"
	"os"

	"github.com/open-n3iwf/n3iwf/config/reference"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	keys, err := reference.Keys(os.DirFS("."))
	if err != nil {
		return err
	}
	schema, err := reference.Schema(keys)
	if err != nil {
		return err
	}
	if err := os.WriteFile("n3iwf.schema.json", schema, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile("../deploy/helm/n3iwf/reloadable.txt", reference.Reloadable(keys), 0o644); err != nil {
		return err
	}
	return os.WriteFile("../docs/configuration.md", reference.Page(keys), 0o644)
}
