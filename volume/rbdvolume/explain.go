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
		keyring, _ := conn.GetConfigOption("keyring")
		return &volume.DeniedError{User: c.user(), What: "connect to the cluster", Keyring: keyring, Err: err}
	}
	if errors.Is(err, fs.ErrNotExist) { // what librados says of a user without a key
		keyring, _ := conn.GetConfigOption("keyring")
		return &volume.DeniedError{User: c.user(), What: "connect to the cluster", Keyring: keyring, NoKey: true, Err: err}
	}
	return &volume.NoClusterError{Conf: c.conf(), Err: err}
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
