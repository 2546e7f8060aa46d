// SPDX-License-Identifier: Apache-2.0

package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// bill collects the modules that are in the binaries, as the Go linker has written them there.
type bill struct {
	goVersion string
	modules   map[string]component
	commands  []string
}

// component is one of CycloneDX 1.5.
type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
	Ref     string `json:"bom-ref,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// add reads a binary.
func (b *bill) add(command, file string) error {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return err
	}
	if b.modules == nil {
		b.modules = map[string]component{}
	}
	b.goVersion = info.GoVersion
	b.commands = append(b.commands, command)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		purl := fmt.Sprintf("pkg:golang/%s@%s", m.Path, m.Version)
		c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: purl, Ref: purl}
		// A sum of go.sum, "h1:" and base64, is SHA-256 of the list of the module's files and their SHA-256.
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) == 32 {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
		}
		b.modules[purl] = c
	}
	return nil
}

// json writes the bill. It has no time and no serial number, so that it does not depend on when it was made.
func (b *bill) json(name string) ([]byte, error) {
	components := []component{{Type: "library", Name: "stdlib", Version: b.goVersion, PURL: "pkg:golang/stdlib@" + strings.TrimPrefix(b.goVersion, "go"), Ref: "stdlib"}}
	for _, key := range slices.Sorted(maps.Keys(b.modules)) {
		components = append(components, b.modules[key])
	}
	var parts []component
	for _, c := range b.commands {
		parts = append(parts, component{Type: "application", Name: c, Ref: "cmd/" + c})
	}
	text, err := json.MarshalIndent(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata":   map[string]any{"component": map[string]any{"type": "application", "name": name, "bom-ref": name, "components": parts}},
		"components": components,
	}, "", "  ")
	return append(text, '\n'), err
}
