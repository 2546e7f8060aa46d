// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/capture"
)

// K_AMF of the recorded registration, from the README of the captures.
const captureKAMF = "5808c3efe204013d3e06305741c1065d6038dc1c8dd9774b1d38b857f542a149"

func n2Messages(t testing.TB) [][]byte {
	var out [][]byte
	for _, c := range capture.SCTP(t, capture.Path(t, capture.Registration, "n2.pcap")) {
		require.EqualValues(t, 60, c.PPID)
		require.EqualValues(t, 3, c.Flags&3, "frame %d holds a piece of a message", c.Frame)
		out = append(out, c.Data)
	}
	require.NotEmpty(t, out)
	return out
}

// Every recorded PDU, and every transfer container inside, decodes without issue and encodes to the same octets.
func TestCaptureN2(t *testing.T) {
	seen := map[string]int{}
	for _, b := range n2Messages(t) {
		p, err := Decode(b)
		require.NoError(t, err, hex.EncodeToString(b))
		seen[p.Name()]++
		again, err := p.Encode()
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(b), hex.EncodeToString(again), p.String())
		switch m := p.Message.(type) {
		case *PDUSessionResourceSetupRequest:
			for _, item := range m.PDUSessionResourceSetupListSUReq {
				sameTransfer[PDUSessionResourceSetupRequestTransfer](t, item.PDUSessionResourceSetupRequestTransfer)
			}
		case *PDUSessionResourceSetupResponse:
			for _, item := range m.PDUSessionResourceSetupListSURes {
				sameTransfer[PDUSessionResourceSetupResponseTransfer](t, item.PDUSessionResourceSetupResponseTransfer)
			}
		}
	}
	require.Equal(t, map[string]int{
		"InitialUEMessage": 1, "DownlinkNASTransport": 4, "UplinkNASTransport": 5,
		"InitialContextSetupRequest": 1, "InitialContextSetupResponse": 1,
		"PDUSessionResourceSetupRequest": 1, "PDUSessionResourceSetupResponse": 1,
		"UEContextReleaseCommand": 1, "UEContextReleaseComplete": 1,
	}, seen)
}

func sameTransfer[T Transfer](t *testing.T, b []byte) {
	x, err := DecodeTransfer[T](b)
	require.NoError(t, err)
	again, err := EncodeTransfer(x)
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(b), hex.EncodeToString(again))
}

// The SecurityKey of InitialContextSetupRequest is K_N3IWF of TS 33.501 A.9 for the uplink NAS COUNT of the message
// before it, Security Mode Complete.
func TestCaptureN2SecurityKey(t *testing.T) {
	var count uint32
	found := false
	for _, b := range n2Messages(t) {
		p, err := Decode(b)
		require.NoError(t, err)
		switch m := p.Message.(type) {
		case *UplinkNASTransport:
			if len(m.NASPDU) > 6 && m.NASPDU[1] != 0 { // security protected: header, MAC (4), sequence number
				count = uint32(m.NASPDU[6])
			}
		case *InitialContextSetupRequest:
			found = true
			require.Equal(t, kN3IWF(captureKAMF, count), hex.EncodeToString(m.SecurityKey[:]))
			require.NotContains(t, p.String(), hex.EncodeToString(m.SecurityKey[:]))
			require.Contains(t, p.String(), "208/93")
		}
	}
	require.True(t, found)
}

func kN3IWF(kamf string, uplinkCount uint32) string {
	key, _ := hex.DecodeString(kamf)
	s := binary.BigEndian.AppendUint32([]byte{0x6e}, uplinkCount)
	s = append(s, 0, 4, 2, 0, 1) // length of COUNT; access type 2 = non-3GPP; its length
	h := hmac.New(sha256.New, key)
	h.Write(s)
	return hex.EncodeToString(h.Sum(nil))
}

// Checks the derivation that the test above relies on.
func TestKN3IWFDerivation(t *testing.T) {
	const key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	require.Equal(t, "164327edabce4d8d24b259b8f3823d66f45ccbe0be327721a35c556c2fe8619c", kN3IWF(key, 0))
	require.Equal(t, "4393465459716445fe384dc2b54418d348e4383048061aad75b7122bde472bca", kN3IWF(key, 1))
}
