// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMethod runs both ends against each other through a registration.
func TestMethod(t *testing.T) {
	must := func(b []byte, err error) []byte { require.NoError(t, err); return b }
	s, p := NewServer(0xff), &Peer{}
	_, err := s.SendNAS([]byte{1})
	require.ErrorIs(t, err, ErrUnexpected, "before Start")

	start := must(s.Start())
	require.Equal(t, unhex(t, "01ff000e "+prefix+"0100"), start)
	require.False(t, s.CanSend())
	ev, err := p.Receive(start)
	require.NoError(t, err)
	require.Equal(t, Started{}, ev)
	an := AN{EstablishmentCause: new(CauseMOSignalling), SelectedPLMN: &PLMN{0x02, 0xf8, 0x39}}
	first := must(p.SendNAS(an, []byte{0x7e, 0, 0x41}))

	got, err := s.Receive(first)
	require.NoError(t, err)
	require.Equal(t, NASReceived{PDU: []byte{0x7e, 0, 0x41}, AN: an, First: true}, got)
	_, err = s.Receive(first)
	require.ErrorIs(t, err, ErrUnexpected, "a second answer")

	request := must(s.SendNAS([]byte{0x7e, 0, 0x56}))
	require.EqualValues(t, 0, request[1], "the identifier wraps")
	_, err = s.SendNAS([]byte{2})
	require.ErrorIs(t, err, ErrUnexpected, "one request at a time")
	_, err = s.Success()
	require.ErrorIs(t, err, ErrUnexpected)
	_, err = s.Receive(first)
	require.ErrorIs(t, err, ErrIdentifier, "an answer to the request before")

	// A repeated Start is answered by the same response.
	ev, err = p.Receive(start)
	require.NoError(t, err)
	require.Equal(t, Repeated{Reply: first}, ev)
	ev, err = p.Receive(request)
	require.NoError(t, err)
	require.Equal(t, NASArrived{PDU: []byte{0x7e, 0, 0x56}}, ev)
	_, err = p.Receive([]byte{3, 0, 0, 4})
	require.ErrorIs(t, err, ErrUnexpected, "Success while a request waits")
	answer := must(p.SendNAS(AN{}, []byte{0x7e, 0, 0x57}))
	got, err = s.Receive(answer)
	require.NoError(t, err)
	require.Equal(t, NASReceived{PDU: []byte{0x7e, 0, 0x57}}, got)

	// A notification of the network, acknowledged by the UE without a NAS PDU.
	ev, err = p.Receive(must(s.SendNAS([]byte{9})))
	require.NoError(t, err)
	require.Equal(t, NASArrived{PDU: []byte{9}}, ev)
	got, err = s.Receive(must(p.SendNAS(AN{}, nil)))
	require.NoError(t, err)
	require.Equal(t, Acknowledged{}, got)

	success := must(s.Success())
	require.Equal(t, []byte{3, 1, 0, 4}, success)
	ev, err = p.Receive(success)
	require.NoError(t, err)
	require.Equal(t, Succeeded{}, ev)
	require.Nil(t, s.Failure(), "after the end")
	_, err = s.SendNAS([]byte{1})
	require.ErrorIs(t, err, ErrUnexpected)
	_, err = p.Receive(request)
	require.ErrorIs(t, err, ErrUnexpected)
}

func TestServerEnds(t *testing.T) {
	for _, c := range []struct {
		name, reply string
		check       func(t *testing.T, ev ServerEvent, err error)
	}{
		{"Nak", "02050006 03 0d", func(t *testing.T, _ ServerEvent, err error) {
			var nak *NakError
			require.ErrorAs(t, err, &nak)
			require.Equal(t, []uint8{13}, nak.Desired)
		}},
		{"Stop", "0205000e " + prefix + "0400", func(t *testing.T, ev ServerEvent, err error) {
			require.NoError(t, err)
			require.Equal(t, Stopped{}, ev)
		}},
		{"wrong vendor", "0205000e fe 00372a 00000001 0200", func(t *testing.T, _ ServerEvent, err error) {
			var m *MethodError
			require.ErrorAs(t, err, &m)
		}},
		{"malformed", "0205000f " + prefix + "0200ff", func(t *testing.T, _ ServerEvent, err error) { require.ErrorIs(t, err, ErrTruncated) }},
		{"malformed parameter", "02050016 " + prefix + "0200 0003 0201ff 0001 7e", func(t *testing.T, _ ServerEvent, err error) {
			var p *ParameterError
			require.ErrorAs(t, err, &p)
		}},
		{"first without NAS", "02050012 " + prefix + "0200 0000 0000", func(t *testing.T, _ ServerEvent, err error) { require.ErrorIs(t, err, ErrTruncated) }},
		{"a request", "0105000e " + prefix + "0100", func(t *testing.T, _ ServerEvent, err error) { require.ErrorIs(t, err, ErrCode) }},
		{"notification answer", "0205000e " + prefix + "0300", func(t *testing.T, _ ServerEvent, err error) {
			var m *MessageError
			require.ErrorAs(t, err, &m)
		}},
		{"too short", "0205", func(t *testing.T, _ ServerEvent, err error) { require.ErrorIs(t, err, ErrTruncated) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewServer(5)
			_, err := s.Start()
			require.NoError(t, err)
			ev, err := s.Receive(unhex(t, c.reply))
			c.check(t, ev, err)
			_, err = s.Success()
			require.ErrorIs(t, err, ErrUnexpected, "no Success without NAS")
			require.Equal(t, []byte{4, 5, 0, 4}, s.Failure())
		})
	}
}

func TestPeer(t *testing.T) {
	p := &Peer{}
	_, err := p.Receive([]byte{3, 0, 0, 4})
	require.ErrorIs(t, err, ErrUnexpected, "Success without any exchange is forged")
	ev, err := p.Receive(unhex(t, "0109000501"))
	require.NoError(t, err)
	require.Equal(t, Refused{Reply: unhex(t, "0209000603fe")}, ev)
	ev, err = p.Receive(unhex(t, "0109000c fe 00372a 00000001"))
	require.NoError(t, err)
	require.Equal(t, Refused{Reply: unhex(t, "02090014 fe 000000 00000003 fe 000000 00000000")}, ev)
	_, err = p.Receive(unhex(t, "01010010 "+prefix+"0200 0000"))
	require.ErrorIs(t, err, ErrUnexpected, "NAS before Start")
	_, err = p.SendNAS(AN{}, nil)
	require.ErrorIs(t, err, ErrUnexpected)
	_, err = p.Receive(unhex(t, "0101000e "+prefix+"0100"))
	require.NoError(t, err)
	_, err = p.SendNAS(AN{}, []byte{1})
	require.NoError(t, err)
	ev, err = p.Receive(unhex(t, "01020010 "+prefix+"0300 0000"))
	require.NoError(t, err)
	require.Equal(t, Notified{Reply: unhex(t, "0202000e "+prefix+"0300")}, ev)
	_, err = p.Receive(unhex(t, "01030010 "+prefix+"0200 0000"))
	require.NoError(t, err)
	stop, err := p.Stop()
	require.NoError(t, err)
	require.Equal(t, unhex(t, "0203000e "+prefix+"0400"), stop)
	ev, err = p.Receive([]byte{4, 3, 0, 4})
	require.NoError(t, err)
	require.Equal(t, Failed{}, ev)
}
