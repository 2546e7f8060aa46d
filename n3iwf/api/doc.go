// SPDX-License-Identifier: Apache-2.0

// Package api shows a running network function to people and programs, and lets them steer it: a REST API with its OpenAPI
// document, server-sent events, Prometheus metrics and one status page. All of them are views of the snapshot that package
// n3iwf gives; none keeps state of its own.
//
// The API listens on a unix socket, where the file mode decides who may use it, and on the network only when asked to, with
// TLS and a bearer token or client certificates. Metrics and probes have a listener of their own without authentication,
// which tells nothing about single UEs.
package api
