package Test::Privacy::Redis;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A private redis-server on a unix socket, with its own folder and an append-only file that is synced always:
# start, stop, kill (-9), pause and resume (SIGSTOP, SIGCONT), command(NAME, ...) for a reply as Perl values
# (an error reply dies, nil is undef). {account} is [USER, PASSWORD] where it asks for one; {prefix}: words before
# redis-server, for one on another host. TEST_REDIS_BINARY names another redis-server, or a valkey-server.

use strict;
use warnings;

use File::Path qw(make_path);
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(sleep time);


# What runs, and which process began it: a program that dies on its way ends these, too.
my %running;


sub new {
    my ($class, $dir) = @_;

    # A unix socket's path is short (107 bytes): the folder may be deep.
    return bless { dir => $dir, socket => length "$dir/redis.sock" < 100 ? "$dir/redis.sock" : "/tmp/redis.$$.sock" },
        $class;
}


sub url    { return "unix:$_[0]{socket}" }
sub socket { return $_[0]{socket} }
sub pid    { return $_[0]{pid} }


# Further lines of configuration, e.g. 'requirepass secret'.
sub start {
    my ($self, @lines) = @_;

    die 'redis-server runs already' if $self->{pid};
    make_path($self->{dir});
    chmod 0755, $self->{dir};
    open my $out, '>', "$self->{dir}/redis.conf" or die "$self->{dir}/redis.conf: $!";
    print $out map { "$_\n" } 'port 0', "unixsocket $self->{socket}", 'unixsocketperm 777', "dir $self->{dir}",
        'daemonize no', "logfile $self->{dir}/redis.log", $self->{sentinel} ? () : ('save ""', 'appendonly yes',
        'appendfsync always', 'enable-debug-command yes'), @lines;
    close $out;

    unlink $self->{socket};
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        exec @{$self->{prefix} // []}, $ENV{TEST_REDIS_BINARY} || 'redis-server', "$self->{dir}/redis.conf",
            $self->{sentinel} ? '--sentinel' : () or POSIX::_exit(127);
    }

    # told to take its time with reading what it has, it is there when it says so
    my $enough = (grep { /^key-load-delay / } @lines) ? qr/NOAUTH|LOADING/ : qr/NOAUTH/;
    $running{$self->{pid}} = [$self, $$];

    my $deadline = time + 20;
    while (1) {
        my $answer = eval { $self->command('PING') };
        last if ($answer // '') eq 'PONG' || $@ =~ $enough;
        die "redis-server did not start: $@" if time > $deadline || waitpid($self->{pid}, POSIX::WNOHANG()) > 0;
        sleep 0.02;
    }
    return $self;
}


sub stop   { $_[0]->_end('TERM') }
sub kill   { $_[0]->_end('KILL') }
sub pause  { CORE::kill 'STOP', $_[0]{pid} }
sub resume { CORE::kill 'CONT', $_[0]{pid} }


sub _end {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return;
    delete $running{$pid};
    CORE::kill $signal, $pid;
    CORE::kill 'CONT', $pid;
    delete $self->{connection};

    # one that is busy with its replicas or its files takes its time; none outlives the spec
    for (my $end = time + 15; waitpid($pid, POSIX::WNOHANG()) == 0; sleep 0.01) {
        CORE::kill 'KILL', $pid if time > $end;
    }
}


END {
    my $status = $?;
    $_->[0]->stop for grep { $_->[1] == $$ } values %running;
    $? = $status;
}


sub command {
    my ($self, @words) = @_;

    if (!$self->{connection}) {
        $self->{connection} = IO::Socket::UNIX->new(Peer => $self->{socket}, Type => SOCK_STREAM)
            or die "$self->{socket}: $!\n";
        $self->command('AUTH', @{$self->{account}}) if $self->{account};
    }
    my $reply = eval {
        local $SIG{PIPE} = 'IGNORE';
        print {$self->{connection}} '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words;
        $self->{connection}->flush;
        _reply($self->{connection});
    };
    if (my $error = $@) {
        delete $self->{connection} if $error !~ /^redis: /;
        die $error;
    }
    return $reply;
}


sub _reply {
    my ($in) = @_;

    my $line = <$in>;
    die "closed\n" if !defined $line;
    $line =~ s/\r\n$//;
    my ($type, $rest) = (substr($line, 0, 1), substr $line, 1);

    die "redis: $rest\n" if $type eq '-';
    return $rest if $type eq '+' || $type eq ':';
    return if $rest < 0;
    return [map { scalar eval { _reply($in) } // ($@ ? "error: $@" : undef) } 1 .. $rest] if $type eq '*';

    my $bytes = '';
    read $in, $bytes, $rest + 2;
    return substr $bytes, 0, $rest;
}


1;
