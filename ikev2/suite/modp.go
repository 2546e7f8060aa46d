// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"io"
	"math/big"
)

// modpGroup is a MODP group of RFC 3526: a safe prime p = 2q+1 with generator 2.
//
// Exponents are short: at least twice the security strength of the group (NIST SP 800-56A:
// 112, 128 and 152 bits for 2048, 3072 and 4096), which gives no attack on the discrete logarithm
// an advantage and is several times faster. That is sound because the only small subgroup of a safe
// prime has order 2, and its members 1 and p-1 are refused.
//
// math/big is not constant-time. Each exponent serves for one exchange with one peer, so that there
// is little to average over; whoever must exclude timing altogether leaves the MODP groups out of
// the policy: the curves of crypto/ecdh are constant-time.
type modpGroup struct {
	prime        *big.Int
	primeMinus1  *big.Int
	size         int // octets of the modulus
	exponentBits int
}

var (
	modpGenerator = big.NewInt(2)
	modpGroups    = map[GroupID]*modpGroup{
		MODP_2048: newMODP(256, 256, modp2048),
		MODP_3072: newMODP(384, 320, modp3072),
		MODP_4096: newMODP(512, 384, modp4096),
	}
)

func newMODP(size, exponentBits int, prime string) *modpGroup {
	p, _ := new(big.Int).SetString(prime, 16)
	return &modpGroup{prime: p, primeMinus1: new(big.Int).Sub(p, big.NewInt(1)), size: size, exponentBits: exponentBits}
}

func (m *modpGroup) exponent(random io.Reader) (*big.Int, error) {
	b := make([]byte, m.exponentBits/8)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("suite: key exchange: %w", err)
	}
	b[0] |= 0x80 // of full length whatever is drawn
	return new(big.Int).SetBytes(b), nil
}

func (m *modpGroup) power(base, x *big.Int) []byte {
	return new(big.Int).Exp(base, x, m.prime).FillBytes(make([]byte, m.size))
}

// publicValue checks 1 < y < p-1 (RFC 6989 2.1).
func (m *modpGroup) publicValue(b []byte) (*big.Int, error) {
	y := new(big.Int).SetBytes(b)
	if y.Cmp(big.NewInt(1)) <= 0 || y.Cmp(m.primeMinus1) >= 0 {
		return nil, ErrPublicValue
	}
	return y, nil
}

// The primes of RFC 3526 sections 3, 4 and 5.
const (
	modp2048 = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd" +
		"ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed" +
		"ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f" +
		"83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b" +
		"e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510" +
		"15728e5a8aacaa68ffffffffffffffff"

	modp3072 = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd" +
		"ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed" +
		"ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f" +
		"83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b" +
		"e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510" +
		"15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7" +
		"abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c" +
		"bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a93ad2caffffffffffffffff"

	modp4096 = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd" +
		"ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed" +
		"ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f" +
		"83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b" +
		"e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510" +
		"15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7" +
		"abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c" +
		"bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d7" +
		"88719a10bdba5b2699c327186af4e23c1a946834b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6" +
		"287c59474e6bc05d99b2964fa090c3a2233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa9" +
		"93b4ea988d8fddc186ffb7dc90a6c08f4df435c934063199ffffffffffffffff"
)
