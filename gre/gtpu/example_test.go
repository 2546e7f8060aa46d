// SPDX-License-Identifier: Apache-2.0

package gtpu_test

import (
	"fmt"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// An uplink packet is written into the room in front of the user's packet, so that nothing is copied; the other side reads it
// without copying as well.
func Example() {
	user := []byte("an IP packet")
	b := make([]byte, gtpu.GPDUHeaderLen+len(user))
	copy(b[gtpu.GPDUHeaderLen:], user)
	gtpu.PutUplink(b, 0x01020304, 9, len(user))

	m, err := gtpu.Decode(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("TEID %08x, QFI %d: %s\n", m.TEID, m.Container.QFI, m.Payload)
	// Output: TEID 01020304, QFI 9: an IP packet
}
