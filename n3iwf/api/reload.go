// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"log/slog"
	"time"
)

// reload is how the last attempt to reload the configuration ended.
type reload struct {
	at  time.Time
	err error
}

// Reload takes over what the network function's configuration in force says of management: the token, certificates and CAs of TLS, whether there are
// profiles. If they cannot be used, all of it stays as it was. The listeners keep their addresses. failed is why the network function did not take
// all of the configuration, nil if it did: the status tells that.
func (s *Server) Reload(failed error) error {
	var err error
	if former := s.access.Load(); former != nil {
		var next *access
		if next, err = newAccess(s.nf.Config().Management); err == nil {
			s.access.Store(next)
		} else {
			s.log.Error("management.tls and management.token were not reloaded, the former ones stay in use", slog.Any("error", err))
		}
	}
	s.reload.Store(&reload{time.Now(), errors.Join(failed, err)})
	return err
}

// ReloadFailed notes that a configuration could not be read: the former one stays in use.
func (s *Server) ReloadFailed(err error) { s.reload.Store(&reload{time.Now(), err}) }
