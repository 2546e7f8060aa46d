// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"fmt"
	"reflect"
	"strings"
)

// Encode returns the complete encoding of the value that v points to. The error is an *Error.
func Encode(v any) ([]byte, error) {
	rv := pointee(v)
	w := &writer{buf: make([]byte, 0, 256)}
	planOf(rv.Type()).encode(w, rv)
	if w.err != nil {
		w.err.Path = join(w.path)
		return nil, w.err
	}
	if len(w.buf) == 0 {
		w.buf = append(w.buf, 0)
	}
	return w.buf, nil
}

// Decode decodes a complete encoding into the zero value that v points to. Octet strings of the result share memory
// with b. Abstract syntax problems that leave the rest intact come back as issues; the error is an *Error, and
// what was decoded before it stays in v. Octets after the value are an error.
func Decode(b []byte, v any) ([]Issue, error) {
	rv := pointee(v)
	r := &reader{data: b, end: 8 * len(b)}
	planOf(rv.Type()).decode(r, rv)
	r.finish(0)
	if r.err != nil {
		r.err.Path = join(r.path)
		return r.issues, r.err
	}
	return r.issues, nil
}

func pointee(v any) reflect.Value {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		panic(fmt.Sprintf("aper: %T is no pointer to a value", v))
	}
	return rv.Elem()
}

func join(path []string) string {
	var b strings.Builder
	for i := len(path) - 1; i >= 0; i-- {
		if b.Len() > 0 && path[i][0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(path[i])
	}
	return b.String()
}
