// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds what is read: a real configuration is a few kilobytes.
const maxFile = 1 << 20

// maxDepth bounds lists and mappings on one line: the parser's time grows with the square of it.
const maxDepth = 64

// Load reads, completes and checks a configuration file. Environment variables take precedence for secrets: the variable
// of nwu.certificate.key is N3IWF_NWU_CERTIFICATE_KEY, and so on for every key that holds a Secret. Its error is Problems when the file could be read.
func Load(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; name a readable file with -c", err)
	}
	return parse(file, text, os.LookupEnv)
}

// Parse is Load for text that is already read, without environment variables. The name stands in messages, and relative file names in the text are
// taken from its folder.
func Parse(name string, text []byte) (*Config, error) {
	return parse(name, text, func(string) (string, bool) { return "", false })
}

func parse(name string, text []byte, variable func(string) (string, bool)) (*Config, error) {
	d := &decoder{file: name, lines: map[string]int{}, bad: map[string]bool{}}
	c := Default()
	if root, ok := d.parse(text); ok {
		d.value(root, reflect.ValueOf(c).Elem(), "", "")
	}
	if len(d.problems) > 0 && d.bad[""] {
		return nil, d.problems
	}
	c.environment(variable)
	c.NWu.Certificate.relativeTo(filepath.Dir(name))
	c.NWu.IKE.CrashSecret = inFolder(filepath.Dir(name), c.NWu.IKE.CrashSecret)
	c.NWu.IKE.PPK.File = inFolder(filepath.Dir(name), c.NWu.IKE.PPK.File)
	c.Cluster.relativeTo(filepath.Dir(name))
	c.Management.relativeTo(filepath.Dir(name))
	c.complete()
	c.legacyLifetimes(d.given)
	d.validate(c)
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return c, nil
}

// parse turns text into the one mapping that a configuration file is.
func (d *decoder) parse(text []byte) (ast.Node, bool) {
	if len(text) > maxFile {
		d.add("", fmt.Sprintf("the file has %d octets, more than %d", len(text), maxFile), "name a configuration file")
		return nil, false
	}
	tokens := lexer.Tokenize(string(text))
	if line := tooDeep(tokens); line > 0 {
		d.add("", fmt.Sprintf("lists and mappings stand in one another more than %d deep", maxDepth), "name a configuration file")
		d.problems[len(d.problems)-1].Line = line
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, what := 1, err.Error()
		if e := yaml.Error(nil); errors.As(err, &e) {
			what = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				line = t.Position.Line
			}
		}
		d.add("", "not valid YAML: "+strings.TrimSpace(what), "check indentation, colons and quotes on and above this line")
		d.problems[len(d.problems)-1].Line = line
		return nil, false
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return ast.Mapping(nil, false), true
	case 1:
		switch bodies[0].(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
			return bodies[0], true
		}
		d.add("", "the file is not a mapping of keys to values", "start from the example file config/n3iwf.example.yaml")
	default:
		d.add("", fmt.Sprintf("the file holds %d YAML documents", len(bodies)), "keep one and remove the \"---\" lines")
	}
	return nil, false
}

// tooDeep gives the line where brackets, or the dashes of lists in lists, are nested beyond maxDepth; 0 when they are nowhere.
func tooDeep(tokens token.Tokens) int {
	brackets, dashes, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType:
			dashes++
		}
		if brackets > maxDepth || dashes > maxDepth {
			return line
		}
	}
	return 0
}
