package Bench::Store;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What a long archive costs: ten thousand versions of 100 KB of text in three languages, in a node's folder.

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use Test::Privacy;

use Bench::Figures;
use Bench::Servers;

our $versions = $ENV{ARCHIVE_VERSIONS} || 10_000;
our $text = 33_000;                                 # bytes a language


sub new {
    my ($class, $servers, $figures) = @_;

    return bless { b => $servers, f => $figures, dir => $servers->{dir} }, $class;
}


# The worker's resident memory over that of one whose archive is empty: after its start, and after two hundred versions
# were read.
sub memory {
    my ($self) = @_;

    my $empty = $self->_nginx('empty');
    $self->_get('empty', '/privacy/');
    my $none = _resident($empty);

    my $nginx = $self->_full;
    $self->_get('archive', '/privacy/');
    my $heads = _resident($nginx);

    srand 1;
    for (1 .. 200) {
        my $version = sprintf 'v%08d', 1 + int rand $versions;
        $self->_get('archive', "/privacy/versions/$version.$_?lang=en") for qw(html md);
    }
    my $read = _resident($nginx);

    printf "archive.memory.heads.mb\t%.1f\t%.1f\t%.1f\n", $heads, $none, $heads - $none;
    printf "archive.memory.mb\t%.1f\t%.1f\t%.1f\n", $read, $none, $read - $none;
}


# The policy page in force, and a static file of the same bytes.
sub page {
    my ($self) = @_;

    my $b = $self->{b};
    my $nginx = $self->_full;
    my $file = $b->request('GET', '/privacy/', $b->navigation);
    spew("$self->{dir}/static/policy.html", $self->_get('archive', '/privacy/'));
    my $static = $b->_nginx('static', '', <<"END", ['static']);
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    server { listen ADDRESS:static; root $self->{dir}/static; }
END
    my $plain = $b->request('GET', '/policy.html', $b->navigation);
    my %cost = $self->{f}->rounds(4000, ours => [$nginx, 'archive', $file], static => [$static, 'static', $plain]);
    Bench::Figures::say_figure('archive.page.cpu', $cost{ours}, $cost{static},
        Bench::Figures::ratios($cost{ours}, $cost{static}));
}


# One page of the list, and one version's page from memory, in microseconds of the worker's CPU.
sub lists {
    my ($self) = @_;

    my $b = $self->{b};
    my $nginx = $self->_full;
    my $middle = sprintf 'v%08d', $versions / 2;
    my %uri = (list => '/privacy/versions?page=100', log => '/privacy/log?page=50', entry => "/privacy/log/5000",
        version => "/privacy/versions/$middle.html");
    for my $name (sort keys %uri) {
        my $file = $b->request('GET', $uri{$name}, $b->navigation);
        my @cost = map { $self->{f}->cost($nginx, 'archive', 8, 500, $file) } 1 .. 5;
        printf "archive.%s.us\t%.0f\t-\t-\n", $name, Bench::Figures::median(@cost);
    }
}


sub _full {
    my ($self) = @_;

    return $self->{full} ||= do {
        $self->_fill;
        my $nginx = $self->_nginx('archive');
        printf STDERR "# archive: %d versions, CPU of a worker's start %.2f s\n", $versions,
            Bench::Servers::cpu($nginx->{worker}) / 1e9;
        $nginx;
    };
}


sub _nginx {
    my ($self, $name) = @_;

    my $t = $self->{b}{t};
    my $keys = $t->keys_dir;
    make_path("$self->{dir}/$name");
    Test::Privacy::_give_away("$self->{dir}/$name");
    return $self->{b}->_nginx($name, "load_module $t->{module};", <<"END", [$name]);
    privacy_zone 16m;
    privacy_keys $keys/keys;
    privacy_cache_path $self->{dir}/$name;
    privacy enforce;
    privacy_site @{[$t->site]} key=$keys/@{[$t->site]}.pub;
    keepalive_requests 1000000;
    server {
        listen ADDRESS:$name;
        location / { return 204; }
        location /privacy/ { privacy_center; }
    }
END
}


# The first entry is published as any other; the rest follow by a program.
sub _fill {
    my ($self) = @_;

    my $t = $self->{b}{t};
    my $site = $t->site;
    $t->redis->start if !$t->redis->pid;
    my $redis = Test::Privacy::Redis->new("$self->{dir}/first");
    $redis->start;
    my $folder = $t->bundle(version => 'v00000001', languages => ['zh-CN', 'en', 'ja'],
        texts => { 'zh-CN' => _text('zh'), en => _text('en'), ja => _text('ja') });
    my ($status, $out) = $t->ctl('publish', '--yes', '--site', $site, '--key', $t->keys_dir . "/$site.key", '--redis',
        $redis->url, $folder);
    die "publish: $out" if $status;
    my ($key) = @{$redis->command('KEYS', "privacy:$site:bundle:*")};
    spew("$self->{dir}/first.bundle", $redis->command('GET', $key));
    $redis->stop;
    make_path("$self->{dir}/archive");
    system("$self->{b}{programs}/bench_archive", "$self->{dir}/archive/$site", "$self->{dir}/first.bundle",
        $t->keys_dir . "/$site.key", $versions) == 0 or die "bench_archive failed\n";
}


sub _text {
    my ($language) = @_;

    my %words = (zh => "\xe6\x88\x91\xe4\xbb\xac\xe5\xa6\x82\xe4\xbd\x95\xe5\xa4\x84\xe7\x90\x86\xe4\xb8\xaa\xe4\xba\xba"
            . "\xe4\xbf\xa1\xe6\x81\xaf\xe3\x80\x82", ja => "\xe5\x80\x8b\xe4\xba\xba\xe6\x83\x85\xe5\xa0\xb1\xe3\x81\xae"
            . "\xe5\x8f\x96\xe3\x82\x8a\xe6\x89\xb1\xe3\x81\x84\xe3\x80\x82", en => 'How we handle personal information. ');
    my $body = "# Policy 00000001\n\n";
    for (my $i = 1; length $body < $text; $i++) {
        $body .= "## Section $i\n\n" if $i % 5 == 1;
        $body .= $words{$language} x 12 . "\n\n";
    }
    return $body;
}


sub _get {
    my ($self, $server, $uri) = @_;

    my $b = $self->{b};
    my $r = Test::Privacy::Client->new(peer => "$b->{t}{address}:$b->{ports}{$server}")
        ->request('GET', $uri, headers => $b->navigation);
    $server eq 'empty' || $r->status == 200 or die "$uri: " . $r->as_text;
    return $r->body;
}


# Megabytes.
sub _resident {
    my ($nginx) = @_;

    my ($kilobytes) = slurp("/proc/$nginx->{worker}/status") =~ /^VmRSS:\s+(\d+)/m;
    return $kilobytes / 1024;
}


sub DESTROY { my ($self) = @_; remove_tree("$self->{dir}/archive") }


1;
