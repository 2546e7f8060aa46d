// SPDX-License-Identifier: Apache-2.0

package xfrm

import (
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func count(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func a(s string) netip.Addr { return netip.MustParseAddr(s) }

func gcm() *State {
	return &State{
		ID:  ID{Dst: a("192.0.2.2"), SPI: 0x1234, Mark: Mark{5, 0xffffffff}},
		Src: a("192.0.2.1"), ReqID: 7, IfID: 9, ESN: true, ExtraFlags: ExtraDontEncapDSCP,
		AEAD: &Algorithm{"rfc4106(gcm(aes))", count(20), 128}, Encap: &Encap{4500, 5000},
		Replay: Replay{Window: 64, Out: 1<<32 | 65541}, OutputMark: &Mark{3, 0xff}, Limits: Limits{SoftPackets: 5, HardPackets: 8},
	}
}

func cbc6() *State {
	return &State{
		ID:  ID{Dst: a("2001:db8::2"), SPI: 0xfedcba98},
		Src: a("2001:db8::1"), ReqID: 0xffffffff, Flags: FlagNoPMTUDiscovery,
		Crypt: &Algorithm{"cbc(aes)", count(16), 0}, Auth: &Algorithm{"hmac(sha256)", count(32), 128},
		Replay: Replay{Window: 4096}, Limits: Limits{SoftBytes: 1000, HardBytes: 2000},
	}
}

func tcpOut() *Policy {
	return &Policy{
		PolicyID: PolicyID{
			Selector:  Selector{Src: netip.MustParsePrefix("10.0.0.1/32"), Dst: netip.MustParsePrefix("10.0.0.2/32"), Protocol: 6, DstPort: 20000},
			Direction: PolicyOut, Mark: Mark{5, 0xffffffff}, IfID: 9,
		},
		Priority: 100, Template: &Template{Src: a("192.0.2.1"), Dst: a("192.0.2.2"), ReqID: 7},
	}
}

func tcpIn() *Policy {
	return &Policy{
		PolicyID: PolicyID{
			Selector:  Selector{Src: netip.MustParsePrefix("fd00::2/128"), Dst: netip.MustParsePrefix("fd00::1/128"), Protocol: 6, SrcPort: 20000},
			Direction: PolicyIn, IfID: 9,
		},
		Priority: 7, Template: &Template{ReqID: 7},
	}
}

// Each message is octet for octet what iproute2 sends for the same thing.
func TestMessagesAreThoseOfIproute2(t *testing.T) {
	chacha := &State{
		ID: ID{Dst: a("192.0.2.2"), SPI: 0x1234}, Src: a("192.0.2.1"), ReqID: 7, IfID: 9,
		AEAD: &Algorithm{"rfc7539esp(chacha20,poly1305)", count(36), 128}, Encap: &Encap{4500, 5001},
	}
	block := &Policy{
		PolicyID: PolicyID{
			Selector:  Selector{Src: netip.MustParsePrefix("10.0.0.0/8"), Dst: netip.MustParsePrefix("10.0.0.2/32")},
			Direction: PolicyOut, IfID: 9,
		},
		Block: true, Priority: 1,
	}
	// iproute2 names the source of a state to delete although the kernel does not look at it for ESP.
	deletion := func(b []byte) []byte {
		src := make([]byte, 16)
		putAddr(src, a("192.0.2.1"))
		return gcm().Mark.append(attr(gcm().bareID(b), attrSrcAddr, src), attrMark)
	}
	id := tcpOut().PolicyID
	for name, encode := range map[string]func([]byte) []byte{
		"state-gcm": gcm().encode, "state-cbc6": cbc6().encode, "state-update": chacha.encode, "state-delete": deletion,
		"policy-out": tcpOut().encode, "policy-in": tcpIn().encode, "policy-block": block.encode, "policy-delete": id.encode,
	} {
		require.Equal(t, hex.EncodeToString(golden(t, name)), hex.EncodeToString(encode(nil)), name)
	}
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	require.NoError(t, err)
	var digits strings.Builder
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, "#") {
			digits.WriteString(strings.TrimSpace(line))
		}
	}
	b, err := hex.DecodeString(digits.String())
	require.NoError(t, err)
	return b
}

// What is encoded is decoded to the same.
func TestStatesAndPoliciesReadBack(t *testing.T) {
	for _, want := range []*State{gcm(), cbc6()} {
		want.Direction, want.MappingThreshold = Out, 3
		want.Replay.In, want.Replay.Bitmap = 7<<32|8, make([]uint32, (want.Replay.Window+31)/32)
		want.Replay.Bitmap[1] = 0xdeadbeef
		got, err := parseState(want.encode(nil))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, want := range []*Policy{tcpOut(), tcpIn()} {
		want.Index = 77
		got, err := parsePolicy(want.encode(nil))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestAcknowledgements(t *testing.T) {
	words := attr(nil, unix.NLMSGERR_ATTR_MSG, []byte("why\x00"))
	code := func(e int32) []byte { return append(host.AppendUint32(nil, uint32(-e)), make([]byte, headerLength)...) }
	require.NoError(t, acknowledgement(0, code(0)))
	require.ErrorIs(t, acknowledgement(0, code(int32(unix.EEXIST))), ErrExists)
	require.ErrorIs(t, acknowledgement(0, code(int32(unix.ESRCH))), ErrNotFound)
	require.ErrorIs(t, acknowledgement(0, code(int32(unix.ENOPROTOOPT))), ErrNoSupport)
	require.ErrorContains(t, acknowledgement(unix.NLM_F_ACK_TLVS, append(code(int32(unix.EINVAL)), words...)), "invalid argument: why")
	require.ErrorIs(t, acknowledgement(0, []byte{1}), ErrMalformed)
}

func FuzzState(f *testing.F) {
	f.Add(gcm().encode(nil))
	f.Add(cbc6().encode(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err != nil {
			return
		}
		again, err := parseState(s.encode(nil))
		require.NoError(t, err)
		require.Equal(t, s.SPI, again.SPI)
		require.Equal(t, s.Encap, again.Encap)
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add(tcpOut().encode(nil))
	f.Add(tcpIn().encode(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parsePolicy(b); err == nil {
			_ = p.String()
			_, err = parsePolicy(p.encode(nil))
			require.NoError(t, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	f.Add(uint16(msgMapping), make([]byte, sizeMapping))
	f.Add(uint16(msgExpire), gcm().encode(nil))
	f.Add(uint16(msgAcquire), make([]byte, sizeAcquire))
	f.Fuzz(func(_ *testing.T, kind uint16, b []byte) { _, _ = parseEvent(kind, b) })
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte{20, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint32(1))
	f.Add(append([]byte{36, 0, 0, 0, 2, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 20)...), uint32(1))
	f.Fuzz(func(_ *testing.T, b []byte, seq uint32) {
		_, _ = messages(b, seq, func(kind uint16, body []byte) error {
			_, err := parseEvent(kind, body)
			return err
		})
	})
}
