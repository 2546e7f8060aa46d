// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"regexp"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"
)

const captures = "../../test/testdata/free5gc-registration/"

// recordedEAP returns the EAP packets of the recorded IKE_AUTH exchanges. It decrypts them (AES-CBC-256,
// HMAC-SHA1-96) with nothing of this project, so that the packets are as the peers made them.
func recordedEAP(t *testing.T) [][]byte {
	keys, err := os.ReadFile(captures + "keys.txt")
	require.NoError(t, err)
	key := func(name string) []byte {
		m := regexp.MustCompile(name + `=([0-9a-f]+)`).FindSubmatch(keys)
		require.NotNil(t, m, name)
		return unhex(t, string(m[1]))
	}
	file, err := os.ReadFile(captures + "nwu.pcap")
	require.NoError(t, err)
	r, err := pcapgo.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	var list [][]byte
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		udp, ok := gopacket.NewPacket(data, r.LinkType(), gopacket.Default).Layer(layers.LayerTypeUDP).(*layers.UDP)
		const exchangeAuth, payloadSK, payloadEAP = 35, 46, 48
		if !ok || len(udp.Payload) < 28 || udp.Payload[18] != exchangeAuth || udp.Payload[16] != payloadSK {
			continue
		}
		suffix := "r"
		if udp.Payload[19]&0x08 != 0 { // sent by the initiator
			suffix = "i"
		}
		msg := udp.Payload[:len(udp.Payload)-12]
		mac := hmac.New(sha1.New, key("SK_a"+suffix))
		mac.Write(msg)
		require.Equal(t, udp.Payload[len(msg):], mac.Sum(nil)[:12])
		block, err := aes.NewCipher(key("SK_e" + suffix))
		require.NoError(t, err)
		next, text := msg[28], append([]byte(nil), msg[48:]...)
		cipher.NewCBCDecrypter(block, msg[32:48]).CryptBlocks(text, text)
		for text = text[:len(text)-1-int(text[len(text)-1])]; len(text) > 0; {
			n := binary.BigEndian.Uint16(text[2:])
			if next == payloadEAP {
				list = append(list, text[4:n])
			}
			next, text = text[0], text[n:]
		}
	}
}

// TestCaptureEAP5G follows the recorded registration of a UE: every packet decodes and encodes to the same octets, and
// both ends of the method, given the recorded packets of the other, say the same as the recorded ones.
func TestCaptureEAP5G(t *testing.T) {
	list := recordedEAP(t)
	require.Len(t, list, 7)
	for _, b := range list {
		p, err := Decode(b)
		require.NoError(t, err)
		again, err := p.Append(nil)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(b), hex.EncodeToString(again))
	}

	server, peer := NewServer(list[0][1]), &Peer{}
	out, err := server.Start()
	require.NoError(t, err)
	for i := 0; i+1 < len(list); i += 2 {
		request, response := list[i], list[i+1]
		out[1] = request[1] // free5GC draws each identifier at random
		server.identifier = request[1]
		require.Equal(t, hex.EncodeToString(request), hex.EncodeToString(out))
		_, err := peer.Receive(request)
		require.NoError(t, err)

		ev, err := server.Receive(response)
		require.NoError(t, err)
		nas := ev.(NASReceived)
		require.Equal(t, i == 0, nas.First)
		p, err := Decode(response)
		require.NoError(t, err)
		mine, err := peer.respond(p.Message)
		require.NoError(t, err)
		require.Equal(t, response, mine)
		if i == 0 {
			plmn, sd := PLMN{0x02, 0xf8, 0x39}, [3]byte{1, 2, 3}
			require.Equal(t, AN{
				GUAMI:              &GUAMI{PLMN: plmn, Region: 0xca, Set: 0x3f8},
				EstablishmentCause: new(CauseMOSignalling),
				SelectedPLMN:       &plmn,
				RequestedNSSAI:     []SNSSAI{{SST: 1, SD: &sd}},
			}, nas.AN)
		}
		next, err := Decode(list[i+2])
		require.NoError(t, err)
		if next.Code == Success {
			out, err = server.Success()
			require.NoError(t, err)
			require.Equal(t, []byte{3, response[1], 0, 4}, out, "ours has the identifier of the response")
			ev, err := peer.Receive(list[i+2])
			require.NoError(t, err)
			require.Equal(t, Succeeded{}, ev)
			break
		}
		out, err = server.SendNAS(next.Message.(NASRequest).PDU)
		require.NoError(t, err)
	}
}
