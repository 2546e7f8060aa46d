// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"crypto/sha1"
	"encoding/binary"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// NATDetectionHash is the data of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP (RFC
// 7296 2.23): SHA-1 of both SPIs as in the header, address and port. No secret depends on it.
func NATDetectionHash(spiI, spiR message.SPI, a netip.AddrPort) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 34), uint64(spiI))
	b = binary.BigEndian.AppendUint64(b, uint64(spiR))
	b = append(b, a.Addr().Unmap().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, a.Port())
	sum := sha1.Sum(b)
	return sum[:]
}
