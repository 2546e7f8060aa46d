// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// generator fills values with random content within the bounds of their descriptions, read independently of the
// codec. NAS PDUs and transfer containers get valid content, so that a dissector has nothing to object to.
type generator struct {
	*rand.Rand
	// full sets every optional member; otherwise each is set half of the time.
	full bool
	// known leaves out what a Rel-17 dissector does not know: values of ChoiceExtensions and IEs of later releases.
	known bool
}

var transferTypes = map[string]reflect.Type{}

func init() {
	for _, t := range []any{
		PDUSessionResourceSetupRequestTransfer{}, PDUSessionResourceSetupResponseTransfer{},
		PDUSessionResourceSetupUnsuccessfulTransfer{}, PDUSessionResourceModifyRequestTransfer{},
		PDUSessionResourceModifyResponseTransfer{}, PDUSessionResourceModifyUnsuccessfulTransfer{},
		PDUSessionResourceModifyIndicationTransfer{}, PDUSessionResourceModifyConfirmTransfer{},
		PDUSessionResourceModifyIndicationUnsuccessfulTransfer{}, PDUSessionResourceNotifyTransfer{},
		PDUSessionResourceNotifyReleasedTransfer{}, PDUSessionResourceReleaseCommandTransfer{},
		PDUSessionResourceReleaseResponseTransfer{},
	} {
		transferTypes[reflect.TypeOf(t).Name()] = reflect.TypeOf(t)
	}
}

func (g *generator) fill(v reflect.Value, name, desc string) {
	t := v.Type()
	if d, ok := v.Interface().(aper.Described); ok && desc == "" {
		desc = d.APER()
	}
	switch x := v.Addr().Interface().(type) {
	case *NASPDU:
		*x = NASPDU{0x7e, 0x00, 0x57, 0x2d, 0x10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, byte(g.IntN(256))}
		return
	case *NGRANTraceID: // a PLMN and a trace reference
		copy(x[:], plmn20893[:])
		copy(x[3:], g.octets(5))
		return
	case *PLMNIdentity:
		*x = must(NewPLMNIdentity(fmt.Sprint(200+g.IntN(500)), fmt.Sprintf("%02d", g.IntN(100))))
		return
	case *TransportLayerAddress:
		n := []int{4, 16, 20}[g.IntN(3)]
		*x = TransportLayerAddress{Bytes: g.octets(n), N: 8 * n}
		return
	}
	if tt, ok := transferTypes[name]; ok && t.Kind() == reflect.Slice {
		x := reflect.New(tt)
		g.fill(x.Elem(), "", "")
		v.SetBytes(must(aper.Encode(x.Interface())))
		return
	}
	if name == "NGAPMessage" {
		m := &InitialUEMessage{}
		g.fill(reflect.ValueOf(m).Elem(), "", "")
		v.SetBytes(must(Encode(m)))
		return
	}
	word, args, _ := strings.Cut(strings.TrimSuffix(desc, ")"), "(")
	args, extensible := strings.CutSuffix(args, ",...")
	switch word {
	case "int":
		lo, hi, _ := strings.Cut(args, "..")
		lb, _ := strconv.ParseUint(lo, 10, 64)
		ub, _ := strconv.ParseUint(hi, 10, 64)
		switch g.IntN(4) {
		case 0:
			v.SetUint(lb)
		case 1:
			v.SetUint(ub)
		default:
			n := lb
			if ub > lb {
				n += g.Uint64() % (ub - lb)
			}
			v.SetUint(n >> g.IntN(24))
			if v.Uint() < lb {
				v.SetUint(lb)
			}
		}
	case "enum":
		names := strings.Fields(args)
		root := len(names)
		for i, n := range names {
			if n == "..." {
				root = i
			}
		}
		n := root
		if root < len(names) && !g.known {
			n = len(names) - 1
		}
		v.SetUint(uint64(g.IntN(n)))
	case "bits", "octets":
		lb, ub := bounds(args)
		if v.CanUint() {
			if word == "octets" {
				lb *= 8
			}
			v.SetUint(g.Uint64() >> (64 - lb))
			return
		}
		if t.Kind() == reflect.Array {
			reflect.Copy(v, reflect.ValueOf(g.octets(t.Len())))
			return
		}
		n := lb + g.IntN(min(ub-lb, 40)+1)
		if word == "octets" {
			v.SetBytes(g.octets(n))
			return
		}
		if extensible && !g.known && g.IntN(8) == 0 {
			n = ub + 1 + g.IntN(20)
		}
		b := g.octets((n + 7) / 8)
		if k := n % 8; k != 0 {
			b[len(b)-1] &= 0xff << (8 - k)
		}
		v.Field(0).SetBytes(b)
		v.Field(1).SetInt(int64(n))
	case "printable", "visible", "utf8":
		lb, ub := bounds(args)
		b := make([]byte, lb+g.IntN(min(ub-lb, 40)+1))
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz0123456789-."[g.IntN(38)]
		}
		v.SetString(string(b))
	case "list":
		lb, ub := bounds(args)
		n := lb + g.IntN(min(ub-lb, 2)+1)
		v.Set(reflect.MakeSlice(t, n, n))
		for i := range n {
			g.fill(v.Index(i), "", "")
		}
	case "":
		if t.Kind() == reflect.Struct {
			g.fillStruct(v)
		}
	default:
		panic(desc)
	}
}

func bounds(args string) (lb, ub int) {
	if args == "" {
		return 1, 300
	}
	lo, hi, ok := strings.Cut(args, "..")
	lb, _ = strconv.Atoi(lo)
	if !ok {
		return lb, lb
	}
	ub, _ = strconv.Atoi(hi)
	return lb, ub
}

func (g *generator) octets(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func (g *generator) fillStruct(v reflect.Value) {
	t := v.Type()
	var alternatives []int
	isChoice := false
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("aper")
		switch {
		case f.Name == "_":
			isChoice = strings.HasPrefix(tag, "choice")
			continue
		case f.Anonymous:
			continue
		case f.Type == reflect.TypeFor[*aper.Unmodelled]():
			continue
		case f.Type == reflect.TypeFor[*aper.RawIE]():
			if !g.known {
				alternatives = append(alternatives, i)
			}
			continue
		case g.known && (strings.Contains(tag, "=439,") || f.Type == reflect.TypeFor[UERadioCapability]()):
			continue // of Rel-18; RRC inside
		}
		if isChoice {
			alternatives = append(alternatives, i)
			continue
		}
		optional := f.Type.Kind() == reflect.Pointer || strings.Contains(tag, "optional") ||
			strings.Contains(tag, "=") && !strings.Contains(tag, "mandatory")
		if optional && !g.full && g.IntN(2) == 0 {
			continue
		}
		g.fillField(v.Field(i), f)
	}
	if isChoice {
		i := alternatives[g.IntN(len(alternatives))]
		if t.Field(i).Type == reflect.TypeFor[*aper.RawIE]() {
			raw := &aper.RawIE{ID: uint16(60000 + g.IntN(100)), Criticality: aper.Ignore, Value: g.octets(1 + g.IntN(200))}
			v.Field(i).Set(reflect.ValueOf(raw))
			return
		}
		g.fillField(v.Field(i), t.Field(i))
	}
}

func (g *generator) fillField(v reflect.Value, f reflect.StructField) {
	desc := ""
	for _, w := range []string{"int(", "enum(", "bits(", "octets", "printable", "visible", "utf8"} {
		if i := strings.Index(f.Tag.Get("aper"), w); i >= 0 {
			desc = f.Tag.Get("aper")[i:]
			desc, _, _ = strings.Cut(desc, ",optional")
		}
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	g.fill(v, f.Name, desc)
}

func newGenerator(t *testing.T) *generator {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
}

// Random messages with any mix of optional members come back as they were.
func TestRandomMessages(t *testing.T) {
	g := newGenerator(t)
	for round := range 20 {
		g.full = round%4 == 0
		for typ, e := range directory {
			m := reflect.New(typ.Elem()).Interface().(Message)
			g.fillStruct(reflect.ValueOf(m).Elem())
			b, err := Encode(m)
			require.NoError(t, err, typ.String())
			p, err := Decode(b)
			require.NoError(t, err, String(m))
			require.Equal(t, m, p.Message)
			require.Equal(t, e.kind, p.Kind)
			require.Equal(t, e.code, p.ProcedureCode)
			require.NotContains(t, p.String(), "%!")
		}
		for name, typ := range transferTypes {
			x, y := reflect.New(typ), reflect.New(typ)
			g.fillStruct(x.Elem())
			b, err := aper.Encode(x.Interface())
			require.NoError(t, err, name)
			_, err = aper.Decode(b, y.Interface())
			require.NoError(t, err, name)
			require.Equal(t, x.Interface(), y.Interface())
		}
	}
}
