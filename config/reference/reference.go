// SPDX-License-Identifier: Apache-2.0

// Package reference derives from the types of package config what is published about the configuration file: a JSON
// Schema for editors and pipelines, and a page with every key for people. Types, ranges and choices come from the struct
// tags, defaults from config.Default and the words from the doc comments, so none of them is written twice. Run
// `go generate ./config/...` after changing a type.
package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
)

// Key is one key of the configuration file.
type Key struct {
	// Name is the key itself, Path the whole way to it: n2.amfs[].port.
	Name, Path string
	// Doc is the doc comment of its field.
	Doc string
	// Type is what stands after the colon.
	Type reflect.Type
	// Choices, Low and High come from the tags; empty when there are none.
	Choices   []string
	Low, High string
	// Default is the value without the key; nil when there is none or when it depends on other keys.
	Default any
	// Reload is what a change takes: config.ReloadNow, ReloadNew, ReloadTakeOver or ReloadRestart; empty for a key that has others below it.
	Reload string
	// Because is why it takes a restart, where it does.
	Because string
	// Keys are those below it, of a mapping or of each entry of a list of mappings.
	Keys []Key
	// List tells that the value is a list.
	List bool
}

// Keys are those of the whole file, in the order of the types. The doc comments are read from the Go files of source,
// which is the folder of package config.
func Keys(source fs.FS) ([]Key, error) {
	docs, err := comments(source)
	if err != nil {
		return nil, err
	}
	return keys(reflect.ValueOf(config.Default()).Elem(), "", config.ReloadRestart, "", docs), nil
}

// comments maps Type.Field to the field's doc comment.
func comments(source fs.FS) (map[string]string, error) {
	docs := map[string]string{}
	names, err := fs.Glob(source, "*.go")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			t, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := t.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, id := range f.Names {
						docs[t.Name.Name+"."+id.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
					}
				}
			}
			return false
		})
	}
	return docs, nil
}

func keys(v reflect.Value, path, reload, because string, docs map[string]string) []Key {
	var out []Key
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		k := Key{Name: name, Path: strings.TrimPrefix(path+"."+name, "."), Doc: docs[v.Type().Name()+"."+field.Name], Type: field.Type}
		if c := field.Tag.Get("enum"); c != "" {
			k.Choices = strings.Split(c, ",")
		}
		k.Low, k.High, _ = strings.Cut(field.Tag.Get("range"), ",")
		value, reload, because := v.Field(i), config.ReloadOf(field, reload), config.BecauseOf(field, because)
		if k.Type.Kind() == reflect.Slice {
			k.List = true
			k.Type = k.Type.Elem()
		}
		switch {
		case isMapping(k.Type) && k.List:
			k.Keys = keys(entryDefault(k.Type), k.Path+"[]", reload, because, docs)
		case isMapping(k.Type):
			k.Keys = keys(value, k.Path, reload, because, docs)
		default:
			k.Default, k.Reload = defaultOf(value), reload
			if reload == config.ReloadRestart {
				k.Because = because
			}
		}
		out = append(out, k)
	}
	return out
}

// entryDefault is what an entry of a list begins with.
func entryDefault(t reflect.Type) reflect.Value {
	switch t {
	case reflect.TypeFor[config.AMF]():
		return reflect.ValueOf(config.DefaultAMF())
	case reflect.TypeFor[config.SupportedTA]():
		return reflect.ValueOf(config.DefaultSupportedTA())
	}
	return reflect.New(t).Elem()
}

// isMapping tells structs with keys from those that are written as one value.
func isMapping(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[netip.Addr]() && t != reflect.TypeFor[netip.Prefix]()
}

// defaultOf is a default as it is written in the file; nil for values that are empty until something else gives them.
func defaultOf(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return duration(x)
	case netip.Addr:
		if !x.IsValid() {
			return nil
		}
		return x.String()
	case fmt.Stringer:
		if v.IsZero() {
			return nil
		}
		return x.String()
	}
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 {
			return nil
		}
		return v.String()
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = defaultOf(v.Index(i))
		}
		return list
	}
	return v.Interface()
}

// duration writes 1m0s as 1m.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
