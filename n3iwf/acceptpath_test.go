// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

var errNoWay = errors.New("no way")

// choosy is a data plane that cannot have SAs over IPv6.
type choosy struct{ dataPlane }

func (choosy) Usable(p ipsec.Path) error {
	if p.Local.Addr().Is6() {
		return errNoWay
	}
	return nil
}

// TestAcceptPath: an IKE SA does not go where its child SAs cannot follow.
func TestAcceptPath(t *testing.T) {
	o, _, _ := bareOwner(t, 1)
	path := func(local, remote string) ikev2.Path {
		return ikev2.Path{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote), NATT: true}
	}
	v4, v6 := path("192.0.2.1:4500", "192.0.2.9:4500"), path("[2001:db8::1]:4500", "[2001:db8::9]:4500")
	require.NoError(t, o.nf.acceptPath(nil, v6), "a data plane that says nothing of it")
	o.nf.dataPlane = choosy{}
	require.NoError(t, o.nf.acceptPath(nil, v4))
	require.ErrorIs(t, o.nf.acceptPath(nil, v6), errNoWay)
}
