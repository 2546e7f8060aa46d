// SPDX-License-Identifier: Apache-2.0

package message_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

var (
	fragHeader = message.Header{InitiatorSPI: 1, ResponderSPI: 2, Exchange: message.IKE_AUTH, Flags: message.FlagInitiator, MessageID: 1}
	epoch      = time.Unix(0, 0)
)

func bigPayloads(n int) []message.Payload {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return []message.Payload{&message.IDr{Identification: message.Identification{Type: message.ID_FQDN, Data: []byte("n3iwf")}}, &message.Certificate{Encoding: 4, Data: b}}
}

// receive runs a datagram through the reassembler as a session does.
func receive(t testing.TB, r *message.Reassembler, now time.Time, datagram []byte, open message.Protector) ([]message.Payload, bool) {
	t.Helper()
	m, err := message.Decode(datagram)
	require.NoError(t, err)
	f := m.Payloads[0].(*message.EncryptedFragment)
	if !r.Wanted(m.Header, f) {
		return nil, false
	}
	plain, err := f.Decrypt(open)
	require.NoError(t, err)
	first, whole, complete := r.Add(now, m.Header, f, plain)
	if !complete {
		return nil, false
	}
	p, err := message.DecodePayloads(first, whole)
	require.NoError(t, err)
	return p, true
}

func TestFragments(t *testing.T) {
	for _, s := range []suite.IKE{gcm128, cbc128} {
		for _, size := range []int{100, 576, 1280} {
			seal, open := protectors(t, s)
			want := bigPayloads(3000)
			fragments, err := message.SealFragments(fragHeader, want, seal, size)
			require.NoError(t, err)
			require.Greater(t, len(fragments), 2)
			for i, f := range fragments {
				require.LessOrEqual(t, len(f), size)
				if i < len(fragments)-1 {
					require.Greater(t, len(f), size-16, "no room is wasted")
				}
				again := bytes.Clone(f)
				m, err := message.Decode(f)
				require.NoError(t, err)
				b, err := m.Append(nil)
				require.NoError(t, err)
				require.Equal(t, again, b)
			}
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			order := rand.New(rand.NewPCG(seed, 0)).Perm(len(fragments))
			var r message.Reassembler
			for n, i := range order {
				got, complete := receive(t, &r, epoch, fragments[i], open)
				require.Equal(t, n == len(order)-1, complete)
				if complete {
					same(t, want, got)
					require.Zero(t, r.Pending())
					break
				}
				_, again := receive(t, &r, epoch, fragments[i], open)
				require.False(t, again, "a duplicate")
			}
		}
	}
}

func TestSmallMessageIsNotFragmented(t *testing.T) {
	seal, open := protectors(t, gcm128)
	fragments, err := message.SealFragments(fragHeader, bigPayloads(100), seal, 1280)
	require.NoError(t, err)
	require.Len(t, fragments, 1)
	m, err := message.Open(fragments[0], open)
	require.NoError(t, err)
	same(t, bigPayloads(100), m.Payloads)

	_, err = message.SealFragments(fragHeader, bigPayloads(100), seal, 60)
	require.ErrorIs(t, err, message.ErrTooLong, "no room for anything")
	_, err = message.SealFragments(fragHeader, bigPayloads(3000), seal, 65)
	require.ErrorIs(t, err, message.ErrTooLong, "too many fragments")
}

func TestFragmentIntegrity(t *testing.T) {
	seal, open := protectors(t, gcm128)
	fragments, err := message.SealFragments(fragHeader, bigPayloads(1000), seal, 576)
	require.NoError(t, err)
	for i := 28; i < len(fragments[0]); i++ {
		if i >= 30 && i < 36 {
			continue // lengths and numbers: another error, or covered by the next test
		}
		bad := bytes.Clone(fragments[0])
		bad[i] ^= 1
		m, err := message.Decode(bad)
		require.NoError(t, err)
		_, err = m.Payloads[0].(*message.EncryptedFragment).Decrypt(open)
		require.ErrorIs(t, err, message.ErrIntegrity, "octet %d", i)
	}
	// Fragment numbers are authenticated: nobody can move a fragment.
	moved := bytes.Clone(fragments[0])
	moved[33] = 2
	m, err := message.Decode(moved)
	require.NoError(t, err)
	_, err = m.Payloads[0].(*message.EncryptedFragment).Decrypt(open)
	require.ErrorIs(t, err, message.ErrIntegrity)

	for _, numbers := range [][4]byte{{0, 0, 0, 2}, {0, 3, 0, 2}, {0, 0, 0, 0}} {
		bad := bytes.Clone(fragments[0])
		copy(bad[32:], numbers[:])
		_, err := message.Decode(bad)
		var syntax *message.SyntaxError
		require.ErrorAs(t, err, &syntax)
	}
}

func fragment(number, total int) *message.EncryptedFragment {
	f := &message.EncryptedFragment{Number: uint16(number), Total: uint16(total)}
	if number == 1 {
		f.First = message.PayloadVendorID
	}
	return f
}

func TestReassemblerRefragmented(t *testing.T) {
	var r message.Reassembler
	_, _, complete := r.Add(epoch, fragHeader, fragment(1, 2), []byte("old"))
	require.False(t, complete)
	require.True(t, r.Wanted(fragHeader, fragment(2, 3)), "a finer splitting")
	_, _, complete = r.Add(epoch, fragHeader, fragment(2, 3), []byte("b"))
	require.False(t, complete)
	require.False(t, r.Wanted(fragHeader, fragment(2, 2)), "the coarser splitting is over")
	_, _, complete = r.Add(epoch, fragHeader, fragment(2, 2), []byte("old"))
	require.False(t, complete)
	r.Add(epoch, fragHeader, fragment(3, 3), []byte("c"))
	first, whole, complete := r.Add(epoch, fragHeader, fragment(1, 3), []byte("a"))
	require.True(t, complete)
	require.Equal(t, message.PayloadVendorID, first)
	require.Equal(t, "abc", string(whole))
}

func TestReassemblerBounds(t *testing.T) {
	var r message.Reassembler
	require.False(t, r.Wanted(fragHeader, fragment(1, message.MaxFragments+1)))
	require.False(t, r.Wanted(fragHeader, fragment(0, 1)))
	require.False(t, r.Wanted(fragHeader, fragment(3, 2)))

	for id := range uint32(100) {
		h := fragHeader
		h.MessageID = id
		r.Add(epoch, h, fragment(1, 2), []byte("x"))
		require.LessOrEqual(t, r.Pending(), message.MaxPending)
	}
	h := fragHeader
	h.MessageID = 99
	request, response := h, h
	response.Flags |= message.FlagResponse
	require.False(t, r.Wanted(request, fragment(1, 2)))
	require.True(t, r.Wanted(response, fragment(1, 2)), "requests and responses are counted apart")

	r.Expire(epoch.Add(message.ReassemblyTimeout - 1))
	require.Equal(t, message.MaxPending, r.Pending())
	_, _, complete := r.Add(epoch.Add(message.ReassemblyTimeout), h, fragment(2, 2), []byte("late"))
	require.False(t, complete)
	require.Equal(t, 1, r.Pending(), "only the late one")

	var big message.Reassembler
	for n := 1; n <= 256; n++ {
		_, _, complete := big.Add(epoch, fragHeader, fragment(n, 256), make([]byte, 1000))
		require.False(t, complete, "more than %d octets", message.MaxLen)
	}
}

// SealFragments never makes a message longer than the limit, whatever the algorithm.
func TestFragmentSizes(t *testing.T) {
	for _, s := range []suite.IKE{gcm128, cbc128} {
		seal, _ := protectors(t, s)
		for size := 100; size < 200; size++ {
			fragments, err := message.SealFragments(fragHeader, bigPayloads(500), seal, size)
			require.NoError(t, err)
			for _, f := range fragments {
				require.LessOrEqual(t, len(f), size, fmt.Sprint(s))
			}
		}
	}
}
