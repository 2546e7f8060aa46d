// SPDX-License-Identifier: Apache-2.0

// Command deploy checks what deploy hands to other programs, by those programs' own code: the compose files by the loader of Docker Compose, with
// every file, address and Dockerfile stage that they name; the images that are made
// without Docker by the library of registries' clients; the alert rules and the dashboard by the parser of Prometheus.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", "../..", "`FOLDER` of the repository")
	program := flag.String("n3iwf", "../../bin/n3iwf", "the N3IWF, which checks the configurations")
	images := flag.String("images", "../../bin", "`FOLDER` of what make image has made")
	flag.Parse()
	var failed []error
	for _, check := range []struct {
		name string
		run  func() error
	}{
		{"compose: the lab", func() error { return labFile(*root, *program) }},
		{"compose: in place of free5GC's N3IWF", func() error { return override(*root, *program) }},
		{"image: n3iwf", func() error { return image(*root, filepath.Join(*images, "n3iwf.image.tar"), "n3iwf") }},
		{"image: nwulab", func() error { return image(*root, filepath.Join(*images, "nwulab.image.tar"), "nwulab") }},
		{"Prometheus: alert rules", func() error { return alerts(*root) }},
		{"Prometheus: dashboard", func() error { return dashboard(*root) }},
		{"Prometheus: what is wrong is found", refuses},
	} {
		err := check.run()
		if err == nil {
			fmt.Printf("ok    %s\n", check.name)
			continue
		}
		fmt.Printf("FAIL  %s: %v\n", check.name, err)
		failed = append(failed, err)
	}
	if len(failed) > 0 {
		fmt.Fprintln(os.Stderr, "deploy:", errors.Join(failed...))
		os.Exit(1)
	}
}
