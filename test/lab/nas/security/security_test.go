// SPDX-License-Identifier: Apache-2.0

package security_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// pair returns the contexts of a UE and its AMF.
func pair(t testing.TB, cipher security.Algorithm) (ue, amf *security.Context) {
	kamf := aka.Key(unhex(t, "6a6f6aa78eceb6bf2a5fcc73ff027103983a587ce66a17bb6173e3a5d6513782"))
	ue, err := security.New(kamf, 0, cipher, 2, security.BearerNon3GPP, security.Uplink)
	require.NoError(t, err)
	amf, err = security.New(kamf, 0, cipher, 2, security.BearerNon3GPP, security.Downlink)
	require.NoError(t, err)
	return ue, amf
}

func TestAlgorithms(t *testing.T) {
	key := [16]byte(unhex(t, "f69f7de8951da1bae1b05d4f3d2b692e"))
	msg := make([]byte, 0x2d)
	for i := range msg {
		msg[i] = byte(i)
	}
	mac := security.NIA2(key, 0x1234, 2, security.Downlink, msg)
	require.Equal(t, "a2d88a81", hex.EncodeToString(mac[:]))
	require.Equal(t, mac, security.NIA2(key, 0x1234, 2, security.Downlink, msg[:7], msg[7:]))
	security.NEA2(key, 0x1234, 2, security.Downlink, msg)
	require.Equal(t, "f12fd22e69985abfda29a1e6a82b00240ae8dc0d30d7720a23c5a607216c5fb1b65104a409265c322fb01973f7", hex.EncodeToString(msg))
}

// step is one message of a registration: what is protected, and what it becomes with NEA2 and, where known, NEA0.
type step struct {
	name         string
	up           bool
	header       security.HeaderType
	plain        string
	nea2, plain0 string
}

var steps = []step{
	{"security mode command", false, 3, "7e005d220002f070e1360102", "7e032f914de9007e005d220002f070e1360102", ""},
	{"security mode complete", true, 4, "7e005e7700094573806121856151f17100217e004179000d0102f839f0ff000000000000301001072e02f0702f050401010203",
		"7e042e268a75000c3082fe155790bde3f6ccb7c6e3f5965209e9352a970496816e27559eec5279b6040f70756b5779253f67356171437f7a9a05",
		"7e047d2b399c007e005e7700094573806121856151f17100217e004179000d0102f839f0ff000000000000301001072e02f0702f050401010203"},
	{"registration accept", false, 2, "7e0042010277000bf202f839cafe000000000154070002f83900000115050401010203210201005d012c",
		"7e02b681163601de70942bb904de5986b5f583094a0596e9779a317c27573bd39176ef576d3aee9247c4ee6a18190b7138",
		"7e0271536fb3017e0042010277000bf202f839cafe000000000154070002f83900000115050401010203210201005d012c"},
	{"registration complete", true, 2, "7e0043", "7e0262ab85dd017ab9f2", "7e02d8c4c355017e0043"},
}

// TestVectors protects and opens the messages of a registration, at both ends in turn.
func TestVectors(t *testing.T) {
	for _, cipher := range []security.Algorithm{2, 0} {
		ue, amf := pair(t, cipher)
		for i, s := range steps {
			want, plain := s.nea2, unhex(t, s.plain)
			if cipher == 0 {
				if want = s.plain0; want == "" {
					want, plain = "7e039ec28bab007e005d020002f070e1360102", unhex(t, "7e005d020002f070e1360102")
				}
			}
			from, to := amf, ue
			if s.up {
				from, to = ue, amf
			}
			require.EqualValues(t, i/2, from.SendCount())
			got, err := from.Protect(s.header, plain)
			require.NoError(t, err)
			require.Equal(t, want, hex.EncodeToString(got), s.name)
			back, count, err := to.Unprotect(got)
			require.NoError(t, err)
			require.Equal(t, plain, back)
			require.EqualValues(t, i/2, count)
			_, _, err = to.Unprotect(got)
			require.ErrorIs(t, err, security.ErrReplay)
		}
	}
}

func TestBadMessages(t *testing.T) {
	ue, amf := pair(t, 2)
	good, err := ue.Protect(security.IntegrityCiphered, []byte{0x7e, 0, 0x43})
	require.NoError(t, err)
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x40
		_, _, err := amf.Unprotect(bad)
		if i == 1 { // the header type is not covered by the MAC, its high half is spare
			continue
		}
		require.Error(t, err, "octet %d", i)
	}
	_, amf = pair(t, 2)
	for n := range good {
		_, _, err := amf.Unprotect(good[:n])
		require.Error(t, err, "%d octets", n)
	}
	_, err = security.Inner(good[:3])
	require.ErrorIs(t, err, security.ErrHeader)
	_, _, err = amf.Unprotect([]byte{0x7e, 0, 0x43})
	require.ErrorIs(t, err, security.ErrHeader)
	_, _, err = amf.Unprotect(good)
	require.NoError(t, err, "bad ones did not move the counter")
}

func TestCounters(t *testing.T) {
	ue, amf := pair(t, 2)
	var sent [][]byte
	for range 600 {
		b, err := ue.Protect(security.IntegrityCiphered, []byte{0x7e, 0, 0x43})
		require.NoError(t, err)
		sent = append(sent, b)
	}
	for _, i := range []int{0, 1, 100, 254, 256, 511, 599} { // losses, and the sequence number wraps twice
		plain, count, err := amf.Unprotect(sent[i])
		require.NoError(t, err, i)
		require.EqualValues(t, i, count)
		require.Equal(t, []byte{0x7e, 0, 0x43}, plain)
	}
	_, _, err := amf.Unprotect(sent[599])
	require.ErrorIs(t, err, security.ErrReplay)
	_, _, err = amf.Unprotect(sent[500])
	require.ErrorIs(t, err, security.ErrReplay)
	_, _, err = amf.Unprotect(sent[3])
	require.ErrorIs(t, err, security.ErrMAC)
}

func TestContainer(t *testing.T) {
	ue, amf := pair(t, 2)
	for range 5 {
		b, err := ue.Protect(security.IntegrityCiphered, []byte{0x7e, 0, 0x43})
		require.NoError(t, err)
		_, _, err = amf.Unprotect(b)
		require.NoError(t, err)
	}
	inner := unhex(t, "7e004c100007f4fe00000000014002020050020200")
	container := ue.CipherContainer(security.Uplink, ue.SendCount(), inner)
	require.Equal(t, "5b7202afa682fa479e8edfe76efad65d2c38de651f", hex.EncodeToString(container))
	msg, err := ue.Protect(security.Integrity, append(unhex(t, "7e004c100007f4fe0000000001710015"), container...))
	require.NoError(t, err)
	require.Equal(t, "7e015edae70e057e004c100007f4fe00000000017100155b7202afa682fa479e8edfe76efad65d2c38de651f", hex.EncodeToString(msg))
	_, count, err := amf.Unprotect(msg)
	require.NoError(t, err)
	require.Equal(t, inner, amf.CipherContainer(security.Uplink, count, container))
}

func TestNewRefuses(t *testing.T) {
	_, err := security.New(aka.Key{}, 0, 1, 2, 2, security.Uplink)
	require.Error(t, err)
	_, err = security.New(aka.Key{}, 0, 0, 0, 2, security.Uplink)
	require.Error(t, err)
}

// FuzzUnprotect holds that no input is opened but the one that was protected.
func FuzzUnprotect(f *testing.F) {
	for _, s := range steps {
		f.Add(unhex(f, s.nea2))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, amf := pair(t, 2)
		plain, count, err := amf.Unprotect(b)
		if err != nil {
			return
		}
		ue, _ := pair(t, 2)
		for ue.SendCount() < count {
			_, _ = ue.Protect(security.Integrity, nil)
		}
		again, err := ue.Protect(security.HeaderType(b[1]&15), plain)
		if err != nil || hex.EncodeToString(again[2:]) != hex.EncodeToString(b[2:]) {
			t.Fatalf("%x opens as %x of COUNT %d, which is protected as %x", b, plain, count, again)
		}
	})
}
