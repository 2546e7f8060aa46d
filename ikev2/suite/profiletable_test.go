// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// algorithms lists a proposal's transforms of some types, in their order.
func algorithms(p message.Proposal, types ...message.TransformType) string {
	var names []string
	for _, kind := range types {
		for _, t := range p.Transforms {
			if t.Type != kind {
				continue
			}
			switch kind {
			case message.TransformENCR:
				names = append(names, suite.Encr{ID: suite.EncrID(t.ID), KeyBits: t.KeyLength}.String())
			case message.TransformPRF:
				names = append(names, suite.PRFID(t.ID).String())
			case message.TransformINTEG:
				names = append(names, suite.IntegID(t.ID).String())
			case message.TransformESN:
				names = append(names, map[uint16]string{0: "no", 1: "yes"}[t.ID])
			default:
				names = append(names, suite.GroupID(t.ID).String())
			}
		}
	}
	return strings.Join(names, ", ")
}

// docs/ike-profiles.md says what each profile offers, and is right.
func TestProfileTable(t *testing.T) {
	var b strings.Builder
	b.WriteString(`<!-- SPDX-License-Identifier: Apache-2.0 -->
# Algorithms of the named profiles

What ` + "`nwu.ike.profile`" + ` accepts, best first; an initiator offers the same. Each row is one proposal: one algorithm of each column is taken. An additional
key exchange comes in an IKE_INTERMEDIATE exchange after IKE_SA_INIT (RFC 9242, RFC 9370). Child SAs made by CREATE_CHILD_SA take any of the key exchanges
for perfect forward secrecy.

`)
	for _, name := range suite.ProfileNames() {
		p, err := suite.ByName(name)
		require.NoError(t, err)
		fmt.Fprintf(&b, "## %s\n\n| for | encryption | integrity | PRF | key exchange | additional | ESN |\n|---|---|---|---|---|---|---|\n", name)
		for _, proposal := range p.IKE {
			fmt.Fprintf(&b, "| IKE | %s | %s | %s | %s | %s | |\n", algorithms(proposal, message.TransformENCR), algorithms(proposal, message.TransformINTEG),
				algorithms(proposal, message.TransformPRF), algorithms(proposal, message.TransformKE), algorithms(proposal, message.TransformADDKE1))
		}
		for _, proposal := range p.ESP {
			fmt.Fprintf(&b, "| ESP | %s | %s | | | | %s |\n", algorithms(proposal, message.TransformENCR), algorithms(proposal, message.TransformINTEG),
				algorithms(proposal, message.TransformESN))
		}
		b.WriteString("\n")
	}
	want := strings.TrimSuffix(b.String(), "\n")
	const file = "../../docs/ike-profiles.md"
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(have), "run UPDATE=1 go test ./ikev2/suite -run TestProfileTable")
}
