// SPDX-License-Identifier: Apache-2.0

package nas_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// FuzzDecode holds that every input gives a message or an error, that a message encodes, and that the encoding is
// then stable.
func FuzzDecode(f *testing.F) {
	for _, v := range plainVectors {
		f.Add(unhex(f, v.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := nas.Decode(b)
		if err != nil {
			return
		}
		once, err := nas.Encode(m)
		if err != nil {
			return // a list of tracking areas may decode that is longer than one partial list
		}
		again, err := nas.Decode(once)
		require.NoError(t, err)
		require.Equal(t, m, again)
		if u, ok := m.(*nas.RegistrationRequest); ok {
			_ = u.Identity.String()
		}
		if a, ok := m.(*nas.EstablishmentAccept); ok {
			a.Rules.Classify(nas.Uplink, b)
			_, _ = nas.DecodeOptions(a.ExtendedOptions)
		}
	})
}
