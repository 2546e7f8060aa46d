// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// codec goes through the fields of a value by name, to write them or to read them: one list serves both. Zero values
// are left out. The first error stays.
type codec struct {
	opt      *Options
	now      time.Time
	encoding bool
	values   map[string]json.RawMessage
	err      error
}

func (c *codec) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %w", ErrTransferContent, fmt.Errorf(format, args...))
	}
}

// check fails unless ok, when reading.
func (c *codec) check(ok bool, what string) {
	if !ok && !c.encoding {
		c.fail("%s", what)
	}
}

// field is a field that JSON can carry as it is.
func field[T any](c *codec, name string, v *T) {
	if c.err != nil {
		return
	}
	if c.encoding {
		if reflect.ValueOf(v).Elem().IsZero() {
			return
		}
		data, err := json.Marshal(v)
		if err != nil {
			c.fail("%s: %w", name, err)
			return
		}
		c.values[name] = data
		return
	}
	data, ok := c.values[name]
	if !ok {
		return
	}
	delete(c.values, name)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		c.fail("%s: %w", name, err)
	}
}

// object is a field that consists of fields.
func (c *codec) object(name string, fields func(c *codec)) {
	sub := &codec{opt: c.opt, now: c.now, encoding: c.encoding}
	if c.encoding {
		sub.values = map[string]json.RawMessage{}
	} else {
		field(c, name, &sub.values)
	}
	if c.err != nil {
		return
	}
	fields(sub)
	if c.encoding {
		field(c, name, &sub.values)
	} else {
		sub.leftover(name)
	}
	if c.err == nil {
		c.err = sub.err
	}
}

// list is a field that is a list of objects, at most limit of them.
func list[T any](c *codec, name string, v *[]T, limit int, fields func(c *codec, v *T)) {
	var raw []map[string]json.RawMessage
	if c.encoding {
		if len(*v) == 0 {
			return
		}
		raw = make([]map[string]json.RawMessage, len(*v))
		for i := range raw {
			raw[i] = map[string]json.RawMessage{}
		}
	} else if field(c, name, &raw); len(raw) > limit {
		c.fail("%s: %d of them", name, len(raw))
	} else if len(raw) > 0 {
		*v = make([]T, len(raw))
	}
	for i := range raw {
		if c.err != nil {
			return
		}
		sub := &codec{opt: c.opt, now: c.now, encoding: c.encoding, values: raw[i]}
		fields(sub, &(*v)[i])
		if !c.encoding {
			sub.leftover(name)
		}
		c.err = sub.err
	}
	if c.encoding {
		field(c, name, &raw)
	}
}

// payloads are payloads, in wire form behind the type of the first one.
func (c *codec) payloads(name string, v *[]message.Payload) {
	var data []byte
	if c.encoding && len(*v) > 0 {
		var err error
		if data, err = message.AppendPayloads([]byte{byte((*v)[0].PayloadType())}, *v); err != nil {
			c.fail("%s: %w", name, err)
			return
		}
	}
	field(c, name, &data)
	if c.encoding || len(data) == 0 || c.err != nil {
		return
	}
	in, err := message.DecodePayloads(message.PayloadType(data[0]), data[1:])
	if err != nil {
		c.fail("%s: %w", name, err)
		return
	}
	*v = in
}

// time is a point in time, as nanoseconds from now; negative in the past.
func (c *codec) time(name string, t *time.Time) {
	var left *time.Duration
	if c.encoding && !t.IsZero() {
		d := t.Sub(c.now)
		left = &d
	}
	field(c, name, &left)
	if !c.encoding && left != nil {
		*t = c.now.Add(*left)
	}
}

// tag is a tag of the owner, which its hooks carry.
func (c *codec) tag(name string, tag *any) {
	var data []byte
	if c.encoding && *tag != nil {
		if c.opt.MarshalTag == nil {
			c.err = &NotPortableError{"a tag without Options.MarshalTag"}
			return
		}
		var err error
		if data, err = c.opt.MarshalTag(*tag); err != nil {
			c.err = fmt.Errorf("ikev2: Options.MarshalTag: %w", err)
			return
		}
		if data == nil {
			data = []byte{}
		}
	}
	field(c, name, &data)
	if c.encoding || data == nil || c.err != nil {
		return
	}
	if c.opt.UnmarshalTag == nil {
		c.fail("a tag without Options.UnmarshalTag")
		return
	}
	t, err := c.opt.UnmarshalTag(data)
	if err != nil {
		c.fail("Options.UnmarshalTag: %w", err)
		return
	}
	*tag = t
}

// leftover refuses fields that this program does not know: a session without them would be another one.
func (c *codec) leftover(where string) {
	for name := range c.values {
		c.fail("%s has a field %q that is not known here", where, name)
		return
	}
}
