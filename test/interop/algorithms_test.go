// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// algorithms are charon's names of the suites that both have: each cipher, hash and group at least once. The child of
// IKE_AUTH has no key exchange of its own; the group of the child is used by its rekey.
var algorithms = []struct{ ike, esp string }{
	{"aes128gcm16-prfsha256-x25519", "aes128gcm16-x25519"},
	{"aes192gcm16-prfsha384-ecp384", "aes192gcm16-ecp384"},
	{"aes256gcm16-prfsha512-ecp521", "aes256gcm16-ecp521"},
	{"chacha20poly1305-prfsha256-ecp256", "chacha20poly1305-ecp256"},
	{"aes128-sha1-modp2048", "aes128-sha1-modp2048"},
	{"aes128-sha256-modp3072", "aes128-sha256-modp3072"},
	{"aes192-sha384-modp4096", "aes192-sha384-modp4096"},
	{"aes256-sha512-ecp384", "aes256-sha512"},
}

func TestAlgorithms(t *testing.T) {
	for _, row := range algorithms {
		bothRoles(t, row.ike+" with ESP "+row.esp, func(t *testing.T, r role) {
			w := connect(t, r, setup{
				charon: func(c *connection) { c.ike, c.esp = row.ike, row.esp },
				ours: func(o *ikev2.Options) {
					if r == weInitiate {
						only(o, row.ike)
					}
				},
			})
			first := got[ikev2.ChildUp](w.e)[0].Child
			require.Equal(t, suite.GroupNone, first.Suite.Group)
			require.False(t, first.Suite.ESN, "charon's user-space ESP has none")
			w.c.must("--rekey", "--child", "c1")
			next := wait(w.e, "charon's rekey of the child", func(u ikev2.ChildUp) bool { return u.Replaces == first.InboundSPI })
			_, group, pfs := strings.Cut(row.esp, "-")
			if i := strings.LastIndex(group, "-"); i >= 0 {
				group = group[i+1:]
			}
			if pfs && !strings.HasPrefix(group, "sha") {
				require.NotEqual(t, suite.GroupNone, next.Child.Suite.Group, "a key exchange of its own")
			} else {
				require.Equal(t, suite.GroupNone, next.Child.Suite.Group)
			}
			wait(w.e, "the old child's end", func(d ikev2.ChildDown) bool { return d.Child == first })
			w.agree()
			w.lost(0)
		})
	}
}

// only leaves of our IKE proposals the groups that charon's name of a suite has, so that the first KE payload fits.
func only(o *ikev2.Options, name string) {
	groups := map[string]suite.GroupID{
		"x25519": suite.CURVE25519, "ecp256": suite.ECP_256, "ecp384": suite.ECP_384, "ecp521": suite.ECP_521,
		"modp2048": suite.MODP_2048, "modp3072": suite.MODP_3072, "modp4096": suite.MODP_4096,
	}
	keep := groups[name[strings.LastIndex(name, "-")+1:]]
	if keep == suite.GroupNone {
		panic(fmt.Sprint("no group in ", name))
	}
	o.IKE = slices.Clone(o.IKE)
	for i := range o.IKE {
		o.IKE[i].Transforms = slices.DeleteFunc(slices.Clone(o.IKE[i].Transforms), func(tr message.Transform) bool {
			return tr.Type == message.TransformKE && tr != keep.Transform()
		})
	}
}
