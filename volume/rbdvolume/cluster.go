//go:build ceph

package rbdvolume

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ceph/go-ceph/rados"

	"varve/volume"
)

// DefaultTimeout is the time limit of one operation where [Cluster] has none.
const DefaultTimeout = 30 * time.Second

// Cluster says how a cluster is reached. What else librados takes from the environment counts too: CEPH_KEYRING and CEPH_ARGS.
type Cluster struct {
	Conf    string        // its configuration; empty: where librados looks for it
	User    string        // without "client."; empty: admin
	Keyring string        // empty: as the configuration says
	Timeout time.Duration // of one operation, and a quarter of what librbd makes of several; zero: DefaultTimeout
}

// connection is a connection of its own, to one pool and namespace.
type connection struct {
	cluster Cluster
	conn    *rados.Conn
	ioctx   *rados.IOContext
	fsid    string
}

// abandonable does what may hang, and does not wait for it when ctx ends. What comes of it then is let go.
func abandonable[T any](ctx context.Context, do func() (T, error), letGo func(T)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := do()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				letGo(o.value)
			}
		}()
		var none T
		if away := new(volume.NoClusterError); errors.As(context.Cause(ctx), &away) {
			return none, away
		}
		return none, ctx.Err()
	}
}

// patience is how many of a cluster's time limits a call of librbd may take: it makes several operations, and where one of
// them has failed, it may try for ever.
const patience = 4

// inTime is abandonable, and is left to itself too when the patience with the cluster ends.
func inTime[T any](ctx context.Context, c Cluster, do func() (T, error), letGo func(T)) (T, error) {
	ctx, cancel := c.patient(ctx)
	defer cancel()
	return abandonable(ctx, do, letGo)
}

// patient ends when the patience with the cluster does, which is its cause then.
func (c Cluster) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, patience*c.limit(), &volume.NoClusterError{Conf: c.conf(), Err: syscall.ETIMEDOUT})
}

// ask connects to the pool of an image, does something there, and ends the connection. When ctx ends it is all left to
// itself; what comes of it then is let go.
func ask[T any](ctx context.Context, c Cluster, at volume.Image, do func(*connection) (T, error), letGo func(T)) (T, error) {
	return inTime(ctx, c, connected(c, at, do), letGo)
}

// askLong is ask for what is of so many operations that only each of them has its limit.
func askLong[T any](ctx context.Context, c Cluster, at volume.Image, do func(*connection) (T, error)) (T, error) {
	return abandonable(ctx, connected(c, at, do), forget)
}

// connected does something with a connection to the pool of an image, and ends that.
func connected[T any](c Cluster, at volume.Image, do func(*connection) (T, error)) func() (T, error) {
	return func() (T, error) {
		conn, err := c.dial(at)
		if err != nil {
			var none T
			return none, err
		}
		defer conn.close()
		return do(conn)
	}
}

// forget is what to do with what needs no letting go.
func forget[T any](T) {}

func (c Cluster) dial(at volume.Image) (_ *connection, err error) {
	conn, err := rados.NewConnWithUser(c.user())
	if err != nil {
		return nil, fmt.Errorf("prepare a connection: %w", errnoOf(err))
	}
	opened := &connection{cluster: c, conn: conn}
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	if err := c.configure(conn); err != nil {
		return nil, err
	}
	if err := conn.Connect(); err != nil {
		return nil, c.explainConnect(errnoOf(err), conn)
	}
	if opened.fsid, err = conn.GetFSID(); err != nil {
		return nil, fmt.Errorf("ask which cluster this is: %w", errnoOf(err))
	}
	if opened.ioctx, err = conn.OpenIOContext(at.Pool); err != nil {
		return nil, c.explainPool(errnoOf(err), at)
	}
	opened.ioctx.SetNamespace(at.Namespace)
	return opened, nil
}

func (c *connection) close() {
	if c.ioctx != nil {
		c.ioctx.Destroy()
	}
	c.conn.Shutdown()
}

// configure reads the configuration and sets the limits.
func (c Cluster) configure(conn *rados.Conn) error {
	var err error
	if c.Conf != "" {
		err = conn.ReadConfigFile(c.Conf)
	} else {
		err = conn.ReadDefaultConfigFile()
	}
	if err != nil {
		return &volume.NoClusterError{Conf: c.conf(), Err: errnoOf(err)}
	}
	if err := conn.ParseDefaultConfigEnv(); err != nil {
		return fmt.Errorf("read CEPH_ARGS: %w", errnoOf(err))
	}
	seconds := strconv.FormatFloat(c.limit().Seconds(), 'f', -1, 64)
	options := map[string]string{
		"client_mount_timeout": seconds, "rados_osd_op_timeout": seconds, "rados_mon_op_timeout": seconds,
		// librbd is made for one thread that answers. With two of them, as librados has by default, it reads of an image that
		// was just opened after that was closed and freed: one that is opened by the map of a snapshot, and closed at once.
		"librados_thread_count": "1", "rbd_op_threads": "1",
		// What goes wrong is told by errors, and not by librados on standard error; nor is it a server.
		"log_to_stderr": "false", "err_to_stderr": "false", "admin_socket": "",
		"rbd_discard_on_zeroed_write_same": "true", // what is zeroed takes no room
	}
	if c.Keyring != "" {
		options["keyring"] = c.Keyring
	}
	for option, value := range options {
		if err := conn.SetConfigOption(option, value); err != nil {
			return fmt.Errorf("set %s to %s: %w", option, value, errnoOf(err))
		}
	}
	return nil
}

// limit is the time limit of one operation.
func (c Cluster) limit() time.Duration {
	if c.Timeout <= 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

// conf names the configuration to people.
func (c Cluster) conf() string {
	if c.Conf != "" {
		return c.Conf
	}
	return "/etc/ceph/ceph.conf"
}

func (c Cluster) user() string {
	if c.User != "" {
		return strings.TrimPrefix(c.User, "client.")
	}
	return "admin"
}

// errnoOf makes an error of Ceph's libraries the system's error of that number, if it has one.
func errnoOf(err error) error {
	var coded interface{ ErrorCode() int }
	if errors.As(err, &coded) && coded.ErrorCode() < 0 {
		return syscall.Errno(-coded.ErrorCode())
	}
	return err
}
