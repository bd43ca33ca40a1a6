#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# `make lint` as a part of the suite.

use strict;
use warnings;

use FindBin;
use Test::More tests => 1;

my $said = `$FindBin::Bin/lint 2>&1`;
ok($? == 0, 'layering, style and static checks') or diag($said);
