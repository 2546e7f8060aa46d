// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"encoding/binary"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

const captures = "../../../test/testdata/free5gc-registration"

// ipPackets gives the IP packets of a capture file.
func ipPackets(t testing.TB, file string) (out [][]byte) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var r interface {
		gopacket.PacketDataSource
		LinkType() layers.LinkType
	}
	if r, err = pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions); err != nil { // some are of the older format
		_, err = f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		r, err = pcapgo.NewReader(f)
		require.NoError(t, err)
	}
	link := map[layers.LinkType]int{layers.LinkTypeEthernet: 14, 276 & 0xff: 20} // LINKTYPE_LINUX_SLL2 is 276, of which gopacket keeps 8 bits
	skip, ok := link[r.LinkType()]
	require.True(t, ok, "link type %v", r.LinkType())
	for {
		b, _, err := r.ReadPacketData()
		if err != nil {
			return out
		}
		if b = b[skip:]; len(b) >= 20 && b[0]>>4 == 4 {
			b = b[:binary.BigEndian.Uint16(b[2:])] // without the link's padding
		}
		out = append(out, b)
	}
}

// The ESP packets of a real registration open with the keys that were recorded with it, and give the inner packets that the kernel gave.
func TestCaptureESP(t *testing.T) {
	f, err := os.Open(filepath.Join(captures, "wireshark", "esp_sa"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	sas := map[uint32]*Inbound{}
	for _, row := range rows {
		require.Equal(t, []string{"AES-CBC [RFC3602]", "HMAC-SHA-1-96 [RFC2404]"}, []string{row[4], row[6]})
		spi := binary.BigEndian.Uint32(unhex(row[3][2:]))
		sas[spi], err = NewInbound(spi, ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA1_96},
			ipsec.Keys{Encr: unhex(row[5][2:]), Integ: unhex(row[7][2:])}, false, 0)
		require.NoError(t, err)
	}
	inner := map[string]int{}
	for _, name := range []string{"nas-tcp-inner.pcap", "gre-inner.pcap"} {
		for _, p := range ipPackets(t, filepath.Join(captures, name)) {
			inner[string(completeTCP(p))]++
		}
	}
	var sc Scratch
	opened := map[uint32]int{}
	var unrecorded []int
	for i, p := range ipPackets(t, filepath.Join(captures, "nwu.pcap")) {
		if p[9] != 50 {
			continue
		}
		p = p[20:]
		spi := binary.BigEndian.Uint32(p)
		in := sas[spi]
		require.NotNil(t, in, "packet %d: SPI %08x", i+1, spi)
		payload, next, err := in.Open(append([]byte{}, p...), &sc)
		require.NoError(t, err, "packet %d", i+1)
		require.EqualValues(t, 4, next)
		if inner[string(payload)] == 0 {
			unrecorded = append(unrecorded, i+1)
		}
		opened[spi]++
		_, _, err = in.Open(append([]byte{}, p...), &sc)
		require.ErrorIs(t, err, ErrDuplicate)
	}
	require.Equal(t, map[uint32]int{0x4e44d084: 21, 0x10675e05: 26, 0x00000002: 12, 0x5f1265f4: 12}, opened)
	// The last one is the UE's acknowledgement of FIN, which came when the receiver's SAs were already gone.
	require.Equal(t, []int{87}, unrecorded)
}

// completeTCP fills in the checksum of a TCP packet. The kernel records what it sends itself before it has done so.
func completeTCP(p []byte) []byte {
	if p[0] != 0x45 || p[9] != 6 {
		return p
	}
	tcp := p[20:]
	tcp[16], tcp[17] = 0, 0
	sum := uint32(6) + uint32(len(tcp))
	for _, part := range [][]byte{p[12:20], tcp} {
		for i, b := range part {
			sum += uint32(b) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum))
	return p
}
