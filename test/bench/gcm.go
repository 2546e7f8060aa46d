// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// rawGCM is what one core seals and opens with AES-128-GCM when it does nothing else: octets of plaintext per CPU-second, in packets of
// size octets that are sealed and opened by turns. It is the ceiling of any ESP with that cipher.
func rawGCM(size int, cpu time.Duration) (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return 0, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return 0, err
	}
	packet := make([]byte, size, size+aead.Overhead())
	nonce, header := make([]byte, aead.NonceSize()), make([]byte, 8) // ESP's SPI and sequence number
	var octets int
	start, err := threadCPU()
	if err != nil {
		return 0, err
	}
	for {
		for range 512 {
			sealed := aead.Seal(packet[:0], nonce, packet, header)
			if packet, err = aead.Open(sealed[:0], nonce, sealed, header); err != nil {
				return 0, err
			}
			octets += 2 * size
		}
		now, err := threadCPU()
		if err != nil {
			return 0, err
		}
		if now-start >= cpu {
			return float64(octets) / (now - start).Seconds(), nil
		}
	}
}

// threadCPU is the CPU time of the calling thread.
func threadCPU() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("CPU time of the thread: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
