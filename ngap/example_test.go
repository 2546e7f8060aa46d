// SPDX-License-Identifier: Apache-2.0

package ngap_test

import (
	"fmt"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// A message is a struct; its tags say how it is encoded.
func Example() {
	b, err := ngap.Encode(&ngap.UEContextReleaseRequest{
		AMFUENGAPID: 7, RANUENGAPID: 42, Cause: ngap.CauseRadioNetworkUserInactivity.Cause(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	pdu, err := ngap.Decode(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	if m, ok := pdu.Message.(*ngap.UEContextReleaseRequest); ok {
		fmt.Printf("%s: UE %d, %s\n", pdu.Name(), m.RANUENGAPID, m.Cause)
	}
	// Output: UEContextReleaseRequest: UE 42, radioNetwork/user-inactivity
}

// What is wrong with a message decides what its sender must be told: Answer gives that message, or nil.
func ExampleAnswer() {
	_, err := ngap.Decode([]byte{0x00, 0x15, 0x00, 0x03, 0xff}) // an NG SETUP REQUEST that ends too early
	fmt.Println(ngap.Name(ngap.Answer(err)))
	// Output: ErrorIndication
}
