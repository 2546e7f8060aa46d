// SPDX-License-Identifier: Apache-2.0

package ebpf

// The object is committed, so that building needs no C compiler. To make it anew: apt-get install clang llvm libbpf-dev linux-libc-dev,
// then go generate ./gre/ebpf.

//go:generate go tool -modfile=../../tools/go.mod bpf2go -tags linux -target bpfel -go-package ebpf -type child -type session -type counts -type flow -type flow_counts -type bucket userplane userplane.bpf.c -- -O2 -g -Wall -Werror -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu
//go:generate sed -i "1i // SPDX-License-Identifier: Apache-2.0\n" userplane_bpfel.go
