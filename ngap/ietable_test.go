// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// ieTable is the content of testdata/ies.txt, which comes from the ASN.1 and not from this package.
type ieTable []messageRow

type messageRow struct {
	name        string
	kind        Kind
	code        ProcedureCode
	criticality Criticality
	ies         []ieRow
}

type ieRow struct {
	id          ProtocolIEID
	presence    string
	criticality Criticality
	name        string
	later       bool // not in Release 17
}

var criticalities = map[string]Criticality{"reject": aper.Reject, "ignore": aper.Ignore, "notify": aper.Notify}

func readIETable(t *testing.T) (table ieTable) {
	f, err := os.Open("testdata/ies.txt")
	require.NoError(t, err)
	defer f.Close()
	kinds := map[string]Kind{"initiating": InitiatingMessage, "successful": SuccessfulOutcome, "unsuccessful": UnsuccessfulOutcome}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		w := strings.Fields(line)
		if !strings.HasPrefix(line, " ") {
			code, err := strconv.Atoi(w[2])
			require.NoError(t, err)
			table = append(table, messageRow{name: w[0], kind: kinds[w[1]], code: ProcedureCode(code), criticality: criticalities[w[3]]})
			continue
		}
		id, err := strconv.Atoi(w[0])
		require.NoError(t, err)
		m := &table[len(table)-1]
		m.ies = append(m.ies, ieRow{id: ProtocolIEID(id), presence: w[1], criticality: criticalities[w[2]], name: w[3], later: len(w) > 4})
	}
	require.Len(t, table, 47)
	return table
}

// fails tells whether the procedure has an unsuccessful outcome.
func (table ieTable) fails(code ProcedureCode) bool {
	return slices.ContainsFunc(table, func(m messageRow) bool { return m.code == code && m.kind == UnsuccessfulOutcome })
}

// full makes a message of the row with every IE that the package models, as the IEs stand in it.
func (m *messageRow) full(t *testing.T, g *generator) (Message, []aper.RawIE) {
	typ := messageTypes[m.kind][m.code]
	require.NotNil(t, typ, m.name)
	message := reflect.New(typ).Interface().(Message)
	g.fillStruct(reflect.ValueOf(message).Elem())
	b, err := aper.Encode(message)
	require.NoError(t, err, m.name)
	raw := &MessageIEs{}
	_, err = aper.Decode(b, raw)
	require.NoError(t, err, m.name)
	if raw.Unmodelled == nil { // as OVERLOAD STOP of Release 17
		return message, nil
	}
	return message, raw.Unmodelled.IEs
}

// pdu is the message with these IEs.
func (m *messageRow) pdu(t *testing.T, ies []aper.RawIE) []byte {
	value, err := aper.Encode(&MessageIEs{Unmodelled: &aper.Unmodelled{IEs: ies}})
	require.NoError(t, err)
	b, err := (&PDU{Kind: m.kind, ProcedureCode: m.code, Criticality: m.criticality, Value: value}).Encode()
	require.NoError(t, err)
	return b
}

// TestIETable: each message has the IEs of the standard, in its order and with its criticality and presence. What is not modelled is optional.
func TestIETable(t *testing.T) {
	g := newGenerator(t)
	g.full = true
	modelled, kept := 0, 0
	for _, row := range readIETable(t) {
		message, ies := row.full(t, g)
		require.Equal(t, row.name, Name(message))
		e := directory[reflect.TypeOf(message)]
		require.Equal(t, []any{row.kind, row.code, row.criticality}, []any{e.kind, e.code, e.criticality}, row.name)
		at := 0
		for _, ie := range row.ies {
			if at == len(ies) || ies[at].ID != uint16(ie.id) {
				require.Equal(t, "O", ie.presence, "%s: %s is not modelled", row.name, ie.name)
				kept++
				continue
			}
			require.Equal(t, ie.criticality, ies[at].Criticality, "%s: %s", row.name, ie.name)
			at++
			modelled++
		}
		require.Len(t, ies, at, "%s has an IE that the standard does not have, or has elsewhere", row.name)
	}
	t.Logf("%d IEs are modelled, %d are kept as they come", modelled, kept)
	require.Greater(t, modelled, 240)
}

// TestEachIEMissing takes each IE out of each message. One that must be there and whose criticality is reject fails the procedure: with its unsuccessful
// outcome where it has one and the UE is named, else with ERROR INDICATION, locally when the message is an outcome. All others may be missing.
func TestEachIEMissing(t *testing.T) {
	g := newGenerator(t)
	g.full, g.known = true, true
	table := readIETable(t)
	for _, row := range table {
		_, ies := row.full(t, g)
		p, err := Decode(row.pdu(t, ies))
		require.NoError(t, err, row.name)
		require.Empty(t, p.Issues, row.name)
		for i, gone := range ies {
			at := slices.IndexFunc(row.ies, func(ie ieRow) bool { return ie.id == ProtocolIEID(gone.ID) })
			ie := row.ies[at]
			what := fmt.Sprintf("%s without %s", row.name, ie.name)
			p, err := Decode(row.pdu(t, slices.Delete(slices.Clone(ies), i, i+1)))
			require.Equal(t, ie.presence == "M", p.Missing(ie.id), what)
			if ie.presence != "M" || ie.criticality != aper.Reject {
				require.NoError(t, err, what)
				continue
			}
			var fault *ProtocolError
			require.ErrorAs(t, err, &fault, what)
			require.True(t, fault.Cause.Is(CauseProtocolAbstractSyntaxErrorReject), what)
			require.Equal(t, CriticalityDiagnosticsIEList{{IECriticality: aper.Reject, IEID: ie.id, TypeOfError: TypeOfErrorMissing}},
				fault.Diagnostics.IEsCriticalityDiagnostics, what)
			answer := Answer(err)
			if row.kind != InitiatingMessage {
				require.Nil(t, answer, what)
				continue
			}
			require.NotNil(t, answer, what)
			kind, code := KindOf(answer)
			names := ie.id != IDAMFUENGAPID && ie.id != IDRANUENGAPID
			if table.fails(row.code) && names {
				require.Equal(t, []any{UnsuccessfulOutcome, row.code}, []any{kind, code}, what)
			} else {
				require.Equal(t, ProcedureErrorIndication, code, what)
			}
			procedure, cause, _ := Fault(answer)
			require.Equal(t, row.code, procedure, what)
			require.Equal(t, fault.Cause, cause, what)
			_, err = Encode(answer)
			require.NoError(t, err, what)
		}
	}
}

// places are the extension containers inside a value, that of the message itself apart.
func places(v reflect.Value, name string, outermost bool) (list []place) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return places(v.Elem(), name, outermost)
		}
	case reflect.Slice:
		if v.Len() > 0 && v.Type().Elem().Kind() != reflect.Uint8 {
			return places(v.Index(v.Len()-1), name, false)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch {
			case !f.IsExported():
			case f.Type != reflect.TypeFor[*aper.Unmodelled]():
				list = append(list, places(v.Field(i), name+"."+f.Name, outermost && f.Anonymous)...)
			case !outermost && f.Name == "IEExtensions":
				list = append(list, place{name + "." + f.Name, v.Field(i)})
			}
		}
	}
	return list
}

type place struct {
	name string
	v    reflect.Value
}

// TestUnknownExtensions puts an extension that nobody knows into each iE-Extensions inside each message, deep or not, with each criticality: reject fails
// the procedure as an unknown IE does, notify is to be reported, ignore is not; and all of it is kept.
func TestUnknownExtensions(t *testing.T) {
	g := newGenerator(t)
	g.full, g.known = true, true
	tried := 0
	for _, row := range readIETable(t) {
		message, _ := row.full(t, g)
		for _, at := range places(reflect.ValueOf(message), row.name, true) {
			for _, criticality := range criticalities {
				tried++
				what := fmt.Sprintf("%s, %v", at.name, criticality)
				at.v.Set(reflect.ValueOf(&aper.Unmodelled{IEs: []aper.RawIE{{ID: 60000, Criticality: criticality, Value: []byte{1, 2}}}}))
				b, err := Encode(message)
				require.NoError(t, err, what)
				p, err := Decode(b)
				again, encodeErr := p.Encode()
				require.NoError(t, encodeErr, what)
				require.Equal(t, b, again, what)
				item := CriticalityDiagnosticsIEList{{IECriticality: criticality, IEID: 60000, TypeOfError: TypeOfErrorNotUnderstood}}
				if criticality == aper.Reject {
					var fault *ProtocolError
					require.ErrorAs(t, err, &fault, what)
					require.True(t, fault.Cause.Is(CauseProtocolAbstractSyntaxErrorReject), what)
					require.Equal(t, item, fault.Diagnostics.IEsCriticalityDiagnostics, what)
					require.Equal(t, row.kind == InitiatingMessage && row.code != ProcedureErrorIndication, Answer(err) != nil, what)
					continue
				}
				require.NoError(t, err, what)
				if criticality == aper.Notify {
					require.Equal(t, item, p.Notification().IEsCriticalityDiagnostics, what)
				} else {
					require.Nil(t, p.Notification(), what)
				}
			}
			at.v.SetZero()
		}
	}
	for name, typ := range transferTypes {
		transfer := reflect.New(typ)
		g.fillStruct(transfer.Elem())
		for _, at := range places(transfer, name, false) {
			for _, criticality := range criticalities {
				tried++
				what := fmt.Sprintf("%s, %v", at.name, criticality)
				at.v.Set(reflect.ValueOf(&aper.Unmodelled{IEs: []aper.RawIE{{ID: 60000, Criticality: criticality, Value: []byte{1, 2}}}}))
				b, err := aper.Encode(transfer.Interface())
				require.NoError(t, err, what)
				issues, err := aper.Decode(b, reflect.New(typ).Interface())
				require.NoError(t, err, what)
				cause, _, faulty := fault(issues)
				require.Equal(t, criticality == aper.Reject, faulty, what)
				require.Equal(t, faulty, cause.Is(CauseProtocolAbstractSyntaxErrorReject), what)
			}
			at.v.SetZero()
		}
	}
	t.Logf("%d extensions", tried)
	require.Greater(t, tried, 600)
}
