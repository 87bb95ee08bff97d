//go:build ceph

package rbdvolume

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// explainConnect says why there is no connection.
func (c Cluster) explainConnect(err error, conn *rados.Conn) error {
	if isDenied(err) {
		return &volume.DeniedError{User: c.user(), What: "connect to the cluster", Keyring: keyringOf(conn), Err: err}
	}
	if errors.Is(err, fs.ErrNotExist) { // what librados says of a user without a key
		return &volume.DeniedError{User: c.user(), What: "connect to the cluster", Keyring: keyringOf(conn), NoKey: true, Err: err}
	}
	return &volume.NoClusterError{Conf: c.conf(), Err: err}
}

// keyringOf says where the key was looked for, as far as librados tells.
func keyringOf(conn *rados.Conn) string {
	keyring, err := conn.GetConfigOption("keyring")
	if err != nil {
		return "its keyring"
	}
	return keyring
}

// explainPool says why a pool cannot be opened.
func (c Cluster) explainPool(err error, at volume.Image) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &volume.NoImageError{Image: at, Missing: volume.MissingPool}
	}
	return c.explain(err, at, "open the pool "+at.Pool)
}

// explain says why something cannot be done with an image.
func (c Cluster) explain(err error, at volume.Image, what string) error {
	if isDenied(err) {
		return &volume.DeniedError{User: c.user(), What: what, Pool: at.Pool, Err: err}
	}
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%s: it cannot be written, somebody holds its lock or it is the copy of a mirror: %w", what, err)
	}
	if away := new(volume.NoClusterError); errors.As(err, &away) {
		return &volume.NoClusterError{Conf: c.conf(), Err: fmt.Errorf("%s: %w", what, away.Err)}
	}
	if errors.Is(err, syscall.ETIMEDOUT) {
		return &volume.NoClusterError{Conf: c.conf(), Err: fmt.Errorf("%s: %w", what, err)}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// explainOpen says why an image, or a snapshot of it, cannot be opened.
func (c *connection) explainOpen(err error, at volume.Image) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return c.cluster.explain(err, at, "open "+at.String())
	}
	missing := &volume.NoImageError{Image: at, Missing: volume.MissingImage}
	if at.Namespace != "" {
		if exists, nerr := rbd.NamespaceExists(c.ioctx, at.Namespace); nerr == nil && !exists {
			missing.Missing = volume.MissingNamespace
			return missing
		}
	}
	if at.Snapshot != "" {
		bare := at
		bare.Snapshot = ""
		if im, oerr := rbd.OpenImageReadOnly(c.ioctx, at.Name, rbd.NoSnapshot); oerr == nil {
			_ = im.Close() // it was only looked for
			missing.Missing = volume.MissingSnapshot
			return missing
		}
	}
	trashed, terr := rbd.GetTrashList(c.ioctx)
	if terr == nil && slices.ContainsFunc(trashed, func(t rbd.TrashInfo) bool { return t.Name == at.Name }) {
		missing.Missing = volume.MissingTrashed
	}
	return missing
}

func isDenied(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
