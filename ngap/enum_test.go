// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// The constants of an enumeration stand in the order of the names in its description, one for each.
func TestEnumConstantsFollowDescription(t *testing.T) {
	fset := token.NewFileSet()
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	constants, descriptions := map[string][]string{}, map[string]string{}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, source, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				typ := ""
				for _, s := range d.Specs {
					v, ok := s.(*ast.ValueSpec)
					if !ok || d.Tok != token.CONST {
						continue
					}
					if id, ok := v.Type.(*ast.Ident); ok {
						typ = id.Name
					}
					constants[typ] = append(constants[typ], v.Names[0].Name)
				}
			case *ast.FuncDecl:
				if d.Name.Name == "APER" {
					var b strings.Builder
					ast.Inspect(d.Body, func(n ast.Node) bool {
						if l, ok := n.(*ast.BasicLit); ok {
							b.WriteString(strings.Trim(l.Value, `"`))
						}
						return true
					})
					descriptions[d.Recv.List[0].Type.(*ast.Ident).Name] = b.String()
				}
			}
		}
	}
	checked := 0
	for typ, desc := range descriptions {
		if !strings.HasPrefix(desc, "enum(") {
			continue
		}
		checked++
		var names []string
		for _, n := range strings.Fields(strings.TrimSuffix(desc[len("enum("):], ")")) {
			if n != "..." {
				names = append(names, strings.ToLower(typ+strings.ReplaceAll(n, "-", "")))
			}
		}
		var consts []string
		for _, c := range constants[typ] {
			consts = append(consts, strings.ToLower(c))
		}
		require.Equal(t, names, consts, typ)
	}
	require.Greater(t, checked, 60)
}

// Every description compiles: a bad one panics on first use.
func TestAllDescriptionsCompile(t *testing.T) {
	for typ := range directory {
		require.NotPanics(t, func() { _ = aper.Print(reflect.New(typ.Elem()).Interface()) }, typ.String())
	}
}

func TestNames(t *testing.T) {
	require.Equal(t, "NGSetup", ProcedureNGSetup.String())
	require.Equal(t, "procedure 255", ProcedureCode(255).String())
	require.Equal(t, "UE-NGAP-IDs", IDUENGAPIDs.String())
	require.Equal(t, "IE 65535", ProtocolIEID(65535).String())
	require.Equal(t, "successfulOutcome", SuccessfulOutcome.String())
	require.Equal(t, "n26-interface-not-available", CauseRadioNetworkN26InterfaceNotAvailable.String())
	require.Equal(t, "unkown-qos-flow-ID", CauseRadioNetworkUnkownQosFlowID.String())
}
