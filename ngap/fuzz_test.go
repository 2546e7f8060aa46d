// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"errors"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// Whatever decodes encodes to something that decodes to the same; whatever does not has an answer that encodes.
func FuzzDecode(f *testing.F) {
	for _, v := range readVectors(f, "testdata/pdus.txt") {
		f.Add(v.b)
	}
	for _, b := range n2Messages(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			if answer := Answer(err); answer != nil {
				_, err := Encode(answer)
				require.NoError(t, err)
			}
			var ae *aper.Error
			if errors.As(err, &ae) {
				return
			}
		}
		_ = p.String()
		if p.Message != nil {
			UEIDs(p.Message)
		}
		if n := p.NotifyIndication(); n != nil {
			_, err := Encode(n)
			require.NoError(t, err)
		}
		again, err := p.Encode()
		if err != nil {
			t.Fatalf("%x decodes to %v, which does not encode: %v", b, p, err)
		}
		q, _ := Decode(again)
		require.Equal(t, p, q)
	})
}

func FuzzTransfer(f *testing.F) {
	types := []reflect.Type{}
	for _, t := range []string{
		"PDUSessionResourceSetupRequestTransfer", "PDUSessionResourceSetupResponseTransfer",
		"PDUSessionResourceSetupUnsuccessfulTransfer", "PDUSessionResourceModifyRequestTransfer",
		"PDUSessionResourceModifyResponseTransfer", "PDUSessionResourceModifyConfirmTransfer",
		"PDUSessionResourceNotifyTransfer", "PDUSessionResourceReleaseCommandTransfer",
		"PDUSessionResourceReleaseResponseTransfer",
	} {
		types = append(types, transferTypes[t])
	}
	for _, v := range readVectors(f, "testdata/transfers.txt") {
		for i, t := range types {
			if t.Name() == v.name {
				f.Add(uint8(i), v.b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		typ := types[int(which)%len(types)]
		x, y := reflect.New(typ).Interface(), reflect.New(typ).Interface()
		if _, err := aper.Decode(b, x); err != nil {
			return
		}
		again, err := aper.Encode(x)
		require.NoError(t, err)
		_, err = aper.Decode(again, y)
		require.NoError(t, err)
		require.Equal(t, x, y)
		_ = aper.Print(x)
	})
}
