// SPDX-License-Identifier: Apache-2.0

package aper

import (
	"fmt"
	"reflect"
	"strconv"
)

// listCodec is SEQUENCE OF, X.691 clause 20.
type listCodec struct {
	size     size
	item     codec
	itemBits int
}

func (c *listCodec) general() bool { return !c.size.bounded || c.size.ub >= 65536 }

func (c *listCodec) encode(w *writer, v reflect.Value) {
	n, i := v.Len(), 0
	if c.size.bounded && (n < c.size.lb || n > c.size.ub) && !c.size.extensible {
		w.fail(fmt.Sprintf("%d items, must be %d to %d", n, c.size.lb, c.size.ub))
		return
	}
	if c.general() && !c.size.extensible {
		for n-i >= 16384 {
			m := min(4, (n-i)>>14)
			w.align()
			w.buf = append(w.buf, 0xc0|byte(m))
			for end := i + m<<14; i < end; i++ {
				c.encodeItem(w, v, i)
			}
		}
		w.length(n - i)
	} else {
		w.size(n, &c.size)
	}
	for ; i < n && w.err == nil; i++ {
		c.encodeItem(w, v, i)
	}
}

func (c *listCodec) encodeItem(w *writer, v reflect.Value, i int) {
	if c.item.encode(w, v.Index(i)); w.err != nil {
		w.path = append(w.path, "["+strconv.Itoa(i)+"]")
	}
}

func (c *listCodec) decode(r *reader, v reflect.Value) {
	if !c.general() || c.size.extensible {
		n, _ := r.size(&c.size)
		c.decodeItems(r, v, n)
		return
	}
	for more := true; more && r.err == nil; {
		var n int
		n, more = r.fragment()
		c.decodeItems(r, v, n)
	}
	if n := v.Len(); r.err == nil && c.size.bounded && (n < c.size.lb || n > c.size.ub) {
		r.fail(Constraint, "number of items out of bounds")
	}
}

// decodeItems appends n items. It makes room only for items whose bits are there.
func (c *listCodec) decodeItems(r *reader, v reflect.Value, n int) {
	if r.err != nil || !r.need(n*c.itemBits) {
		return
	}
	start := v.Len()
	if v.IsNil() {
		v.Set(reflect.MakeSlice(v.Type(), n, n))
	} else {
		v.Grow(n)
		v.SetLen(start + n)
	}
	for i := start; i < start+n; i++ {
		if c.item.decode(r, v.Index(i)); r.err != nil {
			r.path = append(r.path, "["+strconv.Itoa(i)+"]")
			return
		}
	}
}

func (c *listCodec) minBits() int {
	n := c.itemBits * c.size.lb
	if c.general() {
		n += 8
	}
	return n
}
