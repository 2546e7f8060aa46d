// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// listsIn are the lists inside a value, deep or not, with the most entries that the standard allows each.
func listsIn(v reflect.Value, name string) (all []listIn) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return listsIn(v.Elem(), name)
		}
	case reflect.Slice:
		d, ok := v.Interface().(aper.Described)
		if !ok || v.Len() == 0 {
			return nil
		}
		if args, isList := strings.CutPrefix(strings.TrimSuffix(d.APER(), ")"), "list("); isList {
			_, most := bounds(args)
			all = append(all, listIn{name, v, most})
			all = append(all, listsIn(v.Index(0), name+"[0]")...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[*aper.Unmodelled]() {
				all = append(all, listsIn(v.Field(i), name+"."+f.Name)...)
			}
		}
	}
	return all
}

type listIn struct {
	name string
	v    reflect.Value
	most int
}

// TestEveryListFull makes each list of each message and transfer as long as the standard allows: it comes back as it was. With one entry more it is not
// encoded.
func TestEveryListFull(t *testing.T) {
	g := newGenerator(t)
	g.full, g.known = true, true
	tried, longest := 0, 0
	full := func(what string, v reflect.Value, encode func() ([]byte, error), decode func([]byte) (any, error)) {
		for _, list := range listsIn(v, what) {
			before := reflect.New(list.v.Type()).Elem()
			before.Set(list.v)
			fill := func(n int) {
				entries := reflect.MakeSlice(list.v.Type(), n, n)
				for i := range n {
					entries.Index(i).Set(before.Index(0))
				}
				list.v.Set(entries)
			}
			fill(list.most)
			b, err := encode()
			require.NoError(t, err, list.name)
			again, err := decode(b)
			require.NoError(t, err, list.name)
			require.Equal(t, v.Addr().Interface(), again, list.name)
			fill(list.most + 1)
			_, err = encode()
			require.ErrorContains(t, err, "items, must be", list.name)
			list.v.Set(before)
			tried, longest = tried+1, max(longest, list.most)
		}
	}
	for _, row := range readIETable(t) {
		message, _ := row.full(t, g)
		full(row.name, reflect.ValueOf(message).Elem(), func() ([]byte, error) { return Encode(message) }, func(b []byte) (any, error) {
			p, err := Decode(b)
			if err != nil {
				return nil, err
			}
			return p.Message, nil
		})
	}
	for name, typ := range transferTypes {
		transfer := reflect.New(typ)
		g.fillStruct(transfer.Elem())
		full(name, transfer.Elem(), func() ([]byte, error) { return aper.Encode(transfer.Interface()) }, func(b []byte) (any, error) {
			again := reflect.New(typ).Interface()
			_, err := aper.Decode(b, again)
			return again, err
		})
	}
	t.Logf("%d lists, the longest of %d entries", tried, longest)
	require.Greater(t, tried, 80)
	require.Equal(t, 65536, longest)
}
