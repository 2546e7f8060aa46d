// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"fmt"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// PSK authenticates both sides with a secret that they share (RFC 7296 2.15).
type PSK struct {
	// Secret returns the secret that is shared with peer. peer.Data is nil when an initiator did not say whom it wants.
	Secret func(peer Identity) ([]byte, error)
}

// Prove implements Prover.
func (p *PSK) Prove(ctx *AuthContext) (message.AuthMethod, []byte, error) {
	secret, err := p.Secret(ctx.Verifier)
	if err != nil {
		return 0, nil, err
	}
	return message.AuthSharedKey, ctx.PRF.SharedKeyMIC(secret, ctx.Octets), nil
}

// Verify implements Verifier.
func (p *PSK) Verify(ctx *AuthContext, method message.AuthMethod, data []byte, _ [][]byte) error {
	if method != message.AuthSharedKey {
		return fmt.Errorf("the peer authenticates by %v where a shared key is expected", method)
	}
	secret, err := p.Secret(ctx.Prover)
	if err != nil {
		return err
	}
	if !ctx.PRF.VerifySharedKey(secret, ctx.Octets, data) {
		return fmt.Errorf("the peer %v does not know the shared key", ctx.Prover)
	}
	return nil
}

// Certificates implements Prover: there are none.
func (p *PSK) Certificates() [][]byte { return nil }

// Authorities implements Verifier: there are none.
func (p *PSK) Authorities() [][]byte { return nil }

// Inline implements Prover and Verifier: two PRFs cost nothing.
func (p *PSK) Inline() bool { return true }
