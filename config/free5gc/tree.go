// SPDX-License-Identifier: Apache-2.0

package free5gc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile and maxDepth bound what is read: a real file is a few kilobytes, eight levels deep.
const (
	maxFile  = 1 << 20
	maxDepth = 32
)

// node is a part of the file: a scalar as it was written, a list or a mapping. A nil node is a key that is not there.
type node struct {
	path    string
	line    int
	text    string
	list    []*node
	entries []*entry
	used    bool
}

type entry struct {
	key   string
	value *node
}

// parse reads the one mapping of a file.
func parse(text []byte) (*node, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("the file has %d octets, more than %d: it is not a configuration file", len(text), maxFile)
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, fmt.Errorf("not valid YAML: %w", err)
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return build(doc.Body, "", 0)
		}
	}
	return nil, errors.New("the file is empty")
}

func build(n ast.Node, path string, depth int) (*node, error) {
	out := &node{path: path}
	if n == nil {
		return out, nil
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		out.line = t.Position.Line
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("line %d: nested too deeply", out.line)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := out.add(v, depth); err != nil {
				return nil, err
			}
		}
	case *ast.MappingValueNode:
		if err := out.add(n, depth); err != nil {
			return nil, err
		}
	case *ast.SequenceNode:
		for i, v := range n.Values {
			child, err := build(v, fmt.Sprintf("%s[%d]", path, i), depth+1)
			if err != nil {
				return nil, err
			}
			out.list = append(out.list, child)
		}
	case *ast.LiteralNode:
		out.text = strings.TrimSpace(n.Value.Value)
	case *ast.NullNode:
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		return nil, fmt.Errorf("line %d: anchors, aliases and tags are not read here: write the value out", out.line)
	default:
		out.text = strings.TrimSpace(n.GetToken().Value)
	}
	return out, nil
}

// add takes one key. free5GC's own examples have keys twice; its reader takes the last one, and so does this.
func (n *node) add(v *ast.MappingValueNode, depth int) error {
	key := v.Key.GetToken().Value
	path := key
	if n.path != "" {
		path = n.path + "." + key
	}
	child, err := build(v.Value, path, depth+1)
	if err != nil {
		return err
	}
	child.line = v.Key.GetToken().Position.Line
	for _, e := range n.entries {
		if strings.EqualFold(e.key, key) {
			e.key, e.value = key, child
			return nil
		}
	}
	n.entries = append(n.entries, &entry{key, child})
	return nil
}

// get finds a key by any of its names, in any case, and marks it as read. It works on a nil node.
func (n *node) get(names ...string) *node {
	if n == nil {
		return nil
	}
	for _, name := range names {
		for _, e := range n.entries {
			if strings.EqualFold(e.key, name) {
				e.value.used = true
				return e.value
			}
		}
	}
	return nil
}

// value is the text of a scalar, or "".
func (n *node) value() string {
	if n == nil {
		return ""
	}
	return n.text
}

// items are the entries of a list; a single scalar is a list of one.
func (n *node) items() []*node {
	switch {
	case n == nil:
		return nil
	case n.list == nil && n.text != "":
		return []*node{n}
	}
	return n.list
}

// unread lists the parts that nobody asked for, outermost first.
func (n *node) unread(visit func(*node)) {
	for _, e := range n.entries {
		if !e.value.used {
			visit(e.value)
			continue
		}
		e.value.unread(visit)
	}
	for _, i := range n.list {
		i.unread(visit)
	}
}
