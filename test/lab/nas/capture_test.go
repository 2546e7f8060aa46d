// SPDX-License-Identifier: Apache-2.0

package nas_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

const captures = "../../testdata/free5gc-registration/"

// packets reads a capture file of either format.
func packets(t *testing.T, name string) []gopacket.Packet {
	t.Helper()
	file, err := os.ReadFile(captures + name)
	require.NoError(t, err)
	var r interface {
		gopacket.PacketDataSource
		LinkType() layers.LinkType
	}
	if r, err = pcapgo.NewReader(bytes.NewReader(file)); err != nil {
		r, err = pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
	}
	require.NoError(t, err)
	// gopacket does not know Linux cooked mode 2 (link type 276, cut to 8 bits): 20 octets before the IP header.
	const cooked2 = layers.LinkType(276 & 0xff)
	var list []gopacket.Packet
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		if r.LinkType() == cooked2 {
			list = append(list, gopacket.NewPacket(data[20:], layers.LinkTypeRaw, gopacket.Default))
			continue
		}
		list = append(list, gopacket.NewPacket(data, r.LinkType(), gopacket.Default))
	}
}

// recorded is a NAS message of a capture.
type recorded struct {
	up  bool
	pdu []byte
}

// fromTCP returns the NAS messages of the envelopes between UE and N3IWF.
func fromTCP(t *testing.T) []recorded {
	var list []recorded
	for _, p := range packets(t, "nas-tcp-inner.pcap") {
		tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok || len(tcp.Payload) == 0 {
			continue
		}
		b := tcp.Payload
		for len(b) > 0 {
			n := int(binary.BigEndian.Uint16(b))
			list = append(list, recorded{up: tcp.DstPort == 20000, pdu: b[2 : 2+n]})
			b = b[2+n:]
		}
	}
	return list
}

// fromN2 returns the NAS PDUs inside NGAP. It does not decode NGAP: a NAS PDU stands behind its length and starts
// like a 5GMM message.
func fromN2(t *testing.T) []recorded {
	var list []recorded
	for _, p := range packets(t, "n2.pcap") {
		for _, l := range p.Layers() {
			chunk, ok := l.(*layers.SCTPData)
			if !ok {
				continue
			}
			b := chunk.LayerPayload()
			for i := 1; i+1 < len(b); i++ {
				n := int(b[i-1])
				if b[i] == 0x7e && b[i+1] <= 4 && n > 2 && i+n <= len(b) {
					sctp := p.Layer(layers.LayerTypeSCTP).(*layers.SCTP)
					list = append(list, recorded{up: sctp.DstPort == 38412, pdu: b[i : i+n]})
					break
				}
			}
		}
	}
	return list
}

func captureKeys(t *testing.T) (ue, amf *security.Context) {
	kamf := aka.Key(unhex(t, "5808c3efe204013d3e06305741c1065d6038dc1c8dd9774b1d38b857f542a149"))
	ue, err := security.New(kamf, 0, 0, 2, security.BearerNon3GPP, security.Uplink)
	require.NoError(t, err)
	amf, err = security.New(kamf, 0, 0, 2, security.BearerNon3GPP, security.Downlink)
	require.NoError(t, err)
	return ue, amf
}

// TestCaptureKeys derives from the subscriber's K what the peers used.
func TestCaptureKeys(t *testing.T) {
	s := milenage.Subscriber{K: [16]byte(unhex(t, "b73a90cbcf3afb622dba83c58a8415df")), OPc: [16]byte(unhex(t, "df0c67868fa25f748b7044c6e7c245b8"))}
	rand, autn := [16]byte(unhex(t, "0745b1b9b996fd82b530481ec31b0a78")), [16]byte(unhex(t, "e35de706bea98000a5b5091642321799"))
	_, v, err := s.CheckAUTN(rand, autn)
	require.NoError(t, err)
	network := aka.ServingNetwork("208", "93")
	kamf := aka.KAMF(aka.KSEAF(aka.KAUSF(v, network, autn), network), "208930000001234", []byte{0, 0})
	require.Equal(t, "5808c3efe204013d3e06305741c1065d6038dc1c8dd9774b1d38b857f542a149", hex.EncodeToString(kamf[:]))
	enc, integ := aka.KNASenc(kamf, 0), aka.KNASint(kamf, 2)
	require.Equal(t, "131e8b1088b8b519d3b45fb089189d60", hex.EncodeToString(enc[:]))
	require.Equal(t, "0cb40a318bc99666f077f420e1a3cf57", hex.EncodeToString(integ[:]))

	// The answer that the UE gave is in the capture, and so is the key that the AMF gave to the N3IWF.
	res := aka.RESStar(v, network, rand)
	kn3iwf := aka.KN3IWF(kamf, 0)
	var sawAnswer, sawKey bool
	for _, r := range fromN2(t) {
		if m, err := nas.Decode(r.pdu); err == nil {
			switch m := m.(type) {
			case *nas.AuthenticationRequest:
				require.Equal(t, rand, *m.RAND)
				require.Equal(t, autn, *m.AUTN)
			case *nas.AuthenticationResponse:
				require.Equal(t, res, *m.RESStar)
				sawAnswer = true
			}
		}
	}
	for _, p := range packets(t, "n2.pcap") {
		sawKey = sawKey || bytes.Contains(p.Data(), kn3iwf[:])
	}
	require.True(t, sawAnswer)
	require.True(t, sawKey, "K_N3IWF is in the Initial Context Setup Request")
}

// TestCaptureN2 opens and decodes every NAS message between N3IWF and AMF and makes it again.
func TestCaptureN2(t *testing.T) {
	require.Equal(t, []string{
		"> Registration request", "< Authentication request", "> Authentication response", "< Security mode command",
		"> Security mode complete", "< Registration accept", "> Registration complete", "< Configuration update command",
		"> UL NAS transport / PDU session establishment request", "< DL NAS transport / PDU session establishment accept",
		"> Deregistration request (UE originating)",
	}, walk(t, fromN2(t), 0))
}

// TestCaptureTCP does the same for the messages between UE and N3IWF, which begin after the security mode.
func TestCaptureTCP(t *testing.T) {
	list := fromTCP(t)
	require.Equal(t, []string{
		"< Registration accept", "> Registration complete", "< Configuration update command",
		"> UL NAS transport / PDU session establishment request", "< DL NAS transport / PDU session establishment accept",
		"> Deregistration request (UE originating)",
	}, walk(t, list, 1))
	// The same octets went over N2.
	for i, r := range fromN2(t)[5:] {
		require.Equal(t, r, list[i])
	}
}

// walk checks the MAC of each message in order, decodes it, encodes and protects it again to the same octets, and
// names it. skip messages of each direction were protected before the first one.
func walk(t *testing.T, list []recorded, skip int) []string {
	ue, amf := captureKeys(t)
	sendUE, sendAMF := captureKeys(t)
	for range skip {
		for _, c := range []*security.Context{sendUE, sendAMF} {
			_, err := c.Protect(security.Integrity, nil)
			require.NoError(t, err)
		}
	}
	var names []string
	for _, r := range list {
		arrow, receiver, sender := "< ", ue, sendAMF
		if r.up {
			arrow, receiver, sender = "> ", amf, sendUE
		}
		header, err := security.Type(r.pdu)
		require.NoError(t, err)
		plain := r.pdu
		if header != security.Plain {
			plain, _, err = receiver.Unprotect(r.pdu)
			require.NoError(t, err)
		}
		m, err := nas.Decode(plain)
		require.NoError(t, err, "%x", plain)
		again, err := nas.Encode(m)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(plain), hex.EncodeToString(again), m.Type())
		if header != security.Plain {
			again, err = sender.Protect(header, again)
			require.NoError(t, err)
			require.Equal(t, r.pdu, again)
		}
		name := arrow + m.Type().String()
		for _, container := range containers(m) {
			inner, err := nas.Decode(container)
			require.NoError(t, err)
			again, err := nas.Encode(inner)
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(container), hex.EncodeToString(again))
			if _, ok := m.(*nas.SecurityModeComplete); !ok {
				name += " / " + inner.Type().String()
			}
			if a, ok := inner.(*nas.EstablishmentAccept); ok {
				require.Equal(t, netip.MustParseAddr("10.60.0.1"), a.Address.IPv4)
				require.EqualValues(t, 10e9, a.AMBR.Uplink.BitsPerSecond())
			}
		}
		names = append(names, name)
	}
	return names
}

func containers(m nas.Message) [][]byte {
	switch m := m.(type) {
	case *nas.ULNASTransport:
		return [][]byte{m.Container}
	case *nas.DLNASTransport:
		return [][]byte{m.Container}
	case *nas.SecurityModeComplete:
		return [][]byte{m.Container}
	}
	return nil
}
